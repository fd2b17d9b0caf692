#include "test.h"

#include "entrance.h"
#include "fake_clock.h"
#include "scripted_listeners.h"

#include <errno.h>

enum {
	BACKLOG_MAX = 4097, /* connections that can wait with a backlog of 4096 */
};

static void
a_connection_is_evicted_only_for_a_pending_one(void **state)
{
	(void)state;
	open_up(&(struct setting){.limit = 2});
	scripted_arrive(0, 2);
	iterate_times(10);
	assert_int_equal(scripted_accepted(), 2);
	assert_int_equal(entrance.evictions_asked, 0); /* full, but no other connection has come */
	scripted_arrive(0, 5);
	entrance.evicts = true;
	iterate();
	assert_int_equal(scripted_accepted(), 3);
	assert_int_equal(entrance.evictions_asked,
	        1); /* one an iteration: only the first accept is known to be pending */
	iterate();
	assert_int_equal(scripted_accepted(), 4);
	assert_int_equal(connections_open_now(entrance.connections), 2);
	close_up();
}

static void
a_full_gate_asks_once_until_there_is_room(void **state)
{
	(void)state;
	open_up(&(struct setting){.listeners = 2, .limit = 2});
	scripted_arrive(0, 2);
	iterate();
	scripted_arrive(0, 10);
	scripted_arrive(1, 10);
	iterate_times(100);
	assert_int_equal(entrance.evictions_asked, 1);
	assert_int_equal(scripted_accepted(), 2);
	leave(); /* reported by on_closed */
	iterate_times(100);
	assert_int_equal(scripted_accepted(), 3);
	assert_int_equal(entrance.evictions_asked, 2);
	entrance.evicts = true;
	acceptor_on_room(entrance.acceptor); /* a connection has become evictable */
	iterate();
	assert_in_range(scripted_accepted(), 4, 5); /* each listener asks for itself */
	close_up();
}

static void
on_iteration_end(struct ev_loop *loop, struct ev_check *check, int events)
{
	(void)events;
	ev_check_stop(loop, check);
	leave();
}

/* epoll refuses a listener, and before it is told, the gate closes, and opens in the same
 * iteration. */
static void
a_refused_listener_is_not_forgotten_behind_a_full_gate(void **state)
{
	struct ev_check iteration_end;

	(void)state;
	open_up(&(struct setting){.listeners = 2, .limit = 1});
	scripted_arrive(1, 1);
	iterate();
	scripted_arrive(0, 1);
	scripted_arrive(1, 1);
	iterate_times(3);
	assert_int_equal(entrance.evictions_asked, 1);
	scripted.refused_watches = 1;        /* the first listener's */
	acceptor_on_room(entrance.acceptor); /* a connection may be evicted, and then is not */
	ev_check_init(&iteration_end, on_iteration_end);
	ev_set_priority(&iteration_end, EV_MINPRI);
	ev_check_start(entrance.loop, &iteration_end);
	iterate();
	assert_int_equal(entrance.evictions_asked, 2);
	assert_int_equal(scripted.refused_watches, 0);
	assert_int_equal(connections_open_now(entrance.connections), 0);
	iterate_times(3);
	leave();
	iterate_times(3);
	assert_int_equal(scripted.accepted[0], 1);
	assert_int_equal(scripted.accepted[1], 2);
	close_up();
}

static void
the_rate_delays_and_loses_nobody(void **state)
{
	(void)state;
	open_up(&(struct setting){.listeners = 2, .rate = 10});
	scripted_arrive(0, 100);
	scripted_arrive(1, 100);
	iterate_times(1000);
	assert_int_equal(scripted_accepted(), 10); /* what a second may bring comes at once */
	assert_int_equal(scripted.calls, 10);
	pass(99);
	iterate_times(1000);
	assert_int_equal(scripted_accepted(), 10);
	for (size_t n = 1; n <= 190; n++) {
		pass(n == 1 ? 2 : 100);
		iterate_times(3);
		assert_int_equal(scripted_accepted(), 10 + n);
	}
	assert_int_equal(scripted.calls, 200);
	assert_int_equal(entrance.stats.tcp_accept_pauses, 0);
	close_up();
}

static void
the_rate_holds_for_the_first_of_an_iteration(void **state)
{
	(void)state;
	open_up(&(struct setting){.rate = 64}); /* spent in one iteration to the last */
	scripted_arrive(0, 100);
	iterate_times(10);
	assert_int_equal(scripted_accepted(), 64);
	close_up();
}

static void
the_rate_holds_to_the_nanosecond(void **state)
{
	(void)state;
	for (uint64_t early_ns = 0; early_ns < 2; early_ns++) {
		open_up(&(struct setting){.rate = 1});
		entrance.opening_takes_ns = NS_PER_S - early_ns;
		scripted_arrive(0, 2);
		iterate();
		assert_int_equal(scripted_accepted(), early_ns == 0 ? 2 : 1);
		close_up();
	}
}

/* A connection evicted for one that may not be accepted yet would be lost for nothing. */
static void
the_rate_comes_before_making_room(void **state)
{
	(void)state;
	open_up(&(struct setting){.limit = 2, .rate = 2});
	scripted_arrive(0, 2);
	iterate();
	scripted_arrive(0, 1);
	entrance.evicts = true;
	iterate_times(10);
	assert_int_equal(entrance.evictions_asked, 0);
	pass(501);
	iterate_times(2);
	assert_int_equal(entrance.evictions_asked, 1);
	assert_int_equal(scripted_accepted(), 3);
	close_up();
}

/* Whatever closes the gate, another reason's end does not open it. */
static void
room_opens_no_gate_that_is_closed_otherwise(void **state)
{
	(void)state;
	open_up(&(struct setting){.rate = 2});
	scripted_arrive(0, 5);
	iterate();
	assert_int_equal(scripted_accepted(), 2);
	acceptor_on_room(entrance.acceptor);
	leave();
	iterate_times(10);
	assert_int_equal(scripted.calls, 2);
	pass(501);
	scripted.error = ENOMEM;
	scripted.errors = 1;
	iterate_times(2);
	assert_int_equal(scripted.calls, 3);
	acceptor_on_room(entrance.acceptor);
	leave();
	iterate_times(10);
	assert_int_equal(scripted.calls, 3);
	pass(101);
	iterate_times(2);
	assert_int_equal(scripted_accepted(), 3);
	close_up();
}

/* The gate that was closed for another reason stays closed when that one ends. */
static void
draining_closes_for_good(void **state)
{
	enum { RATE, PAUSED, FULL, OPEN, CASES };

	(void)state;
	for (int i = 0; i < CASES; i++) {
		open_up(&(struct setting){.limit = i == FULL ? 1 : 0, .rate = i == RATE ? 1 : 0});
		scripted.listeners[0].handed_over = true;
		scripted_arrive(0, 100);
		scripted.error = EMFILE;
		scripted.errors = i == PAUSED ? 1 : 0;
		iterate_times(3);
		scripted.calls = 0;
		acceptor_drain(entrance.acceptor);
		scripted.errors = 0;
		acceptor_on_room(entrance.acceptor);
		for (int n = 0; n < 20; n++) {
			pass(501);
			iterate_times(3);
		}
		assert_int_equal(scripted.calls, 0);
		assert_int_equal(scripted.listeners[0].listen_fd, -1);
		close_up();
	}
}

static void
draining_takes_in_who_waits(void **state)
{
	(void)state;
	open_up(&(struct setting){.listeners = 2, .rate = 1});
	scripted_arrive(0, 200);
	scripted_arrive(1, 100);
	scripted.error = ECONNABORTED;
	scripted.errors = 3;
	acceptor_drain(entrance.acceptor);
	assert_int_equal(scripted_accepted(), 300);
	assert_int_equal(entrance.opened, 300);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(scripted.listeners[i].listen_fd, -1);
	close_up();
}

static void
draining_ends(void **state)
{
	(void)state;
	/* at the limit; none is evicted */
	open_up(&(struct setting){.limit = 5});
	entrance.evicts = true;
	scripted_arrive(0, 10);
	acceptor_drain(entrance.acceptor);
	assert_int_equal(scripted.calls, 5);
	assert_int_equal(entrance.evictions_asked, 0);
	close_up();

	/* without descriptors, and for good */
	open_up(&(struct setting){0});
	scripted_arrive(0, 10);
	scripted.error = EMFILE;
	scripted.errors = 1;
	acceptor_drain(entrance.acceptor);
	pass(101);
	iterate_times(3);
	assert_int_equal(scripted.calls, 1);
	close_up();

	/* when a flood goes on */
	open_up(&(struct setting){0});
	scripted.error = ECONNABORTED;
	scripted.errors = SIZE_MAX;
	acceptor_drain(entrance.acceptor);
	assert_int_equal(scripted.calls, BACKLOG_MAX);
	close_up();
}

static void
only_the_listeners_that_were_given_accept(void **state)
{
	(void)state;
	open_up(&(struct setting){.others = 1});
	scripted_arrive(0, 1);
	scripted_arrive(1, 1);
	iterate_times(3);
	assert_int_equal(scripted.accepted[0], 1);
	assert_int_equal(scripted.accepted[1], 0);
	close_up();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(only_the_listeners_that_were_given_accept),
	        cmocka_unit_test(a_connection_is_evicted_only_for_a_pending_one),
	        cmocka_unit_test(a_full_gate_asks_once_until_there_is_room),
	        cmocka_unit_test(a_refused_listener_is_not_forgotten_behind_a_full_gate),
	        cmocka_unit_test(the_rate_delays_and_loses_nobody),
	        cmocka_unit_test(the_rate_holds_for_the_first_of_an_iteration),
	        cmocka_unit_test(the_rate_holds_to_the_nanosecond),
	        cmocka_unit_test(the_rate_comes_before_making_room),
	        cmocka_unit_test(room_opens_no_gate_that_is_closed_otherwise),
	        cmocka_unit_test(draining_closes_for_good),
	        cmocka_unit_test(draining_takes_in_who_waits),
	        cmocka_unit_test(draining_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
