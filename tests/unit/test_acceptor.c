#include "test.h"

#include "entrance.h"
#include "fake_clock.h"
#include "scripted_listeners.h"

#include "echod/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
	MANY = 300,
};

static size_t failing_callocs;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *
__wrap_calloc(size_t count, size_t size)
{
	if (failing_callocs == 0)
		return __real_calloc(count, size);
	failing_callocs--;
	errno = ENOMEM;
	return NULL;
}

static void
a_storm_leaves_iterations_for_others(void **state)
{
	const struct {
		size_t scripted, each;
	} samples[] = {{1, 64}, {2, 32}, {3, 21}, {64, 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		open_up(&(struct setting){.listeners = samples[i].scripted});
		for (size_t listener = 0; listener < samples[i].scripted; listener++)
			scripted_arrive(listener, MANY);
		for (size_t n = 1; n <= 3; n++) {
			iterate();
			for (size_t listener = 0; listener < samples[i].scripted; listener++)
				assert_int_equal(scripted.accepted[listener], n * samples[i].each);
		}
		assert_int_equal(entrance.stats.tcp_accepted, scripted_accepted());
		assert_int_equal(entrance.opened, scripted_accepted());
		close_up();
	}
}

static void
more_listeners_than_accepts_an_iteration(void **state)
{
	(void)state;
	open_up(&(struct setting){.listeners = 100});
	for (size_t listener = 0; listener < 100; listener++)
		scripted_arrive(listener, 1);
	iterate_times(10);
	assert_int_equal(scripted_accepted(), 100);
	close_up();
}

static void
every_connection_comes_in(void **state)
{
	(void)state;
	open_up(&(struct setting){.listeners = 2});
	scripted_arrive(0, 200);
	scripted_arrive(1, 3);
	iterate_times(8);
	assert_int_equal(connections_open_now(entrance.connections), 203);
	assert_int_equal(entrance.evictions_asked, 0);
	scripted.calls = 0;
	iterate_times(10);
	assert_int_equal(scripted.calls, 0); /* none waits */
	close_up();
}

static void
datagram_sockets_accept_nothing(void **state)
{
	(void)state;
	open_up(&(struct setting){.listeners = 2, .first_is_datagram = true});
	scripted_arrive(0, MANY);
	scripted_arrive(1, MANY);
	iterate();
	assert_int_equal(scripted.accepted[0], 0);
	assert_int_equal(scripted.accepted[1], 64);
	acceptor_drain(entrance.acceptor);
	assert_true(scripted.listeners[0].listen_fd >= 0); /* not ours to close */
	close_up();
}

/* Every errno of accept(2), and some that it does not name. What may fail again at once, such as
 * EPERM of a system call filter, must pause. */
static void
errors_go_on_or_pause(void **state)
{
	const struct {
		int error;
		enum { WAIT, GO_ON, COUNT, PAUSE } then;
	} samples[] = {{EAGAIN, WAIT}, {EINTR, GO_ON}, {ECONNABORTED, COUNT}, {EPROTO, COUNT},
	        {ENETDOWN, COUNT}, {ENOPROTOOPT, COUNT}, {EHOSTDOWN, COUNT}, {ENONET, COUNT},
	        {EHOSTUNREACH, COUNT}, {EOPNOTSUPP, COUNT}, {ENETUNREACH, COUNT},
	        {ETIMEDOUT, COUNT}, {EPERM, PAUSE}, {EMFILE, PAUSE}, {ENFILE, PAUSE},
	        {ENOBUFS, PAUSE}, {ENOMEM, PAUSE}, {EBADF, PAUSE}, {EINVAL, PAUSE},
	        {ENOTSOCK, PAUSE}, {EFAULT, PAUSE}, {ENOSR, PAUSE}, {EIO, PAUSE}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		bool goes_on = samples[i].then == GO_ON || samples[i].then == COUNT;
		bool pauses = samples[i].then == PAUSE;

		print_message("%s\n", strerrorname_np(samples[i].error));
		open_up(&(struct setting){0});
		log_set_threshold(LOG_DEBUG);
		scripted_arrive(0, 10);
		scripted.error = samples[i].error;
		scripted.errors = 3;
		iterate();
		assert_int_equal(scripted_accepted(), goes_on ? 10 : 0);
		assert_int_equal(scripted.calls, goes_on ? 14 : 1); /* the last one finds none */
		assert_int_equal(
		        entrance.stats.tcp_accept_errors, samples[i].then == COUNT ? 3 : 0);
		assert_int_equal(entrance.stats.tcp_accept_pauses, pauses ? 1 : 0);
		assert_int_equal(scripted_logged("PAUSE: "), pauses ? 1 : 0);
		/* one a second */
		assert_int_equal(scripted_logged("ACCEPT: "), samples[i].then == COUNT ? 1 : 0);
		assert_int_equal(
		        scripted_logged(strerror(samples[i].error)), scripted_logged("\n"));
		log_set_threshold(LOG_INFO);
		iterate_times(5);
		assert_int_equal(scripted_accepted(), pauses ? 0 : 10);
		for (int n = 0; n < 3; n++) {
			pass(101);
			iterate_times(3); /* the first accept after a pause is a single one */
		}
		assert_int_equal(scripted_accepted(), 10);
		close_up();
	}
}

static void
errors_count_as_accepts_of_an_iteration(void **state)
{
	(void)state;
	open_up(&(struct setting){0});
	scripted_arrive(0, 1);
	scripted.error = ECONNABORTED;
	scripted.errors = SIZE_MAX;
	iterate();
	assert_int_equal(scripted.calls, 64);
	close_up();
}

static void
a_pause_neither_spins_nor_floods(void **state)
{
	(void)state;
	open_up(&(struct setting){.listeners = 2});
	scripted_arrive(0, 1);
	scripted_arrive(1, 1);
	scripted.error = EMFILE;
	scripted.errors = SIZE_MAX;
	iterate_times(1000);
	pass(99);
	iterate_times(1000);
	assert_int_equal(scripted.calls, 1);
	pass(2);
	iterate_times(1000);
	assert_int_equal(scripted.calls, 2);
	for (int ms = 0; ms < 10000; ms++) {
		pass(1);
		iterate();
	}
	assert_in_range(scripted.calls, 2 + 98, 2 + 100);
	assert_int_equal(entrance.stats.tcp_accept_pauses, scripted.calls);
	assert_in_range(scripted_logged("PAUSE: "), 10, 11);
	assert_true(scripted_logged(" suppressed=9\n") >= 8);
	scripted.errors = 0;
	pass(101);
	iterate_times(2);
	assert_int_equal(scripted_accepted(), 2);
	assert_int_equal(scripted_logged("\n"), scripted_logged("PAUSE: "));
	close_up();
}

/* Time that a long iteration has taken is no part of the pause. */
static void
a_pause_begins_when_accepting_failed(void **state)
{
	(void)state;
	open_up(&(struct setting){0});
	iterate();
	scripted_arrive(0, 1);
	scripted.error = ENFILE;
	scripted.errors = 1;
	scripted.error_takes_ns = 90 * NS_PER_MS;
	iterate();
	assert_int_equal(scripted.calls, 1);
	pass(99);
	iterate_times(2);
	assert_int_equal(scripted.calls, 1);
	pass(2);
	iterate_times(2);
	assert_int_equal(scripted_accepted(), 1);
	close_up();
}

static void
a_pause_ends_with_the_acceptor(void **state)
{
	(void)state;
	open_up(&(struct setting){0});
	scripted_arrive(0, 1);
	scripted.error = EMFILE;
	scripted.errors = 1;
	iterate();
	assert_int_equal(entrance.stats.tcp_accept_pauses, 1);
	close_up();
}

static void
what_epoll_refuses_pauses(void **state)
{
	(void)state;
	open_up(&(struct setting){0});
	scripted_arrive(0, 1);
	scripted.refused_watches = 1;
	iterate_times(10);
	assert_int_equal(scripted.calls, 0);
	assert_int_equal(entrance.stats.tcp_accept_pauses, 1);
	assert_int_equal(
	        scripted_logged(
	                "PAUSE: proto=tcp pause_ms=100 reason=\"epoll does not take the socket\""),
	        1);
	pass(101);
	iterate_times(2);
	assert_int_equal(scripted_accepted(), 1);
	assert_int_equal(entrance.stats.tcp_accept_pauses, 1);
	close_up();
}

/* It is told only when the wait for events is over, which therefore must be short. */
static void
what_epoll_refuses_is_heard_of_soon(void **state)
{
	(void)state;
	open_up(&(struct setting){0});
	ev_run(entrance.loop, EVRUN_ONCE);
	assert_in_range(scripted.wait_ms, 0, 1);
	scripted_arrive(0, 1);
	scripted.error = EMFILE;
	scripted.errors = 1;
	iterate();
	assert_int_equal(entrance.stats.tcp_accept_pauses, 1);
	pass(101);
	ev_run(entrance.loop, EVRUN_ONCE); /* watches again at its end */
	ev_run(entrance.loop, EVRUN_ONCE);
	assert_in_range(scripted.wait_ms, 0, 1);
	assert_int_equal(scripted_accepted(), 1);
	close_up();
}

static size_t pending;

static void
count_pending(struct ev_loop *loop)
{
	pending += ev_pending_count(loop);
	ev_invoke_pending(loop);
}

/* Nothing wakes a daemon that has nothing to do. */
static void
when_a_pause_is_over_nothing_goes_on(void **state)
{
	(void)state;
	open_up(&(struct setting){.rate = 1});
	scripted_arrive(0, 1);
	scripted.error = EMFILE;
	scripted.errors = 1;
	iterate_times(3);
	pass(101);
	iterate_times(3);
	assert_int_equal(scripted_accepted(), 1);
	scripted_arrive(0, 1); /* closes for the rate */
	iterate_times(3);
	pass(1001);
	iterate_times(3);
	assert_int_equal(scripted_accepted(), 2);
	pass(1001);
	iterate_times(3); /* what the second has closed is open again */
	pass(1);
	iterate(); /* and epoll has been asked about it */
	pending = 0;
	ev_set_invoke_pending_cb(entrance.loop, count_pending);
	for (int n = 0; n < 10; n++) {
		pass(1001);
		iterate_times(2);
	}
	assert_int_equal(pending, 0);
	close_up();
}

/* They inherit nothing from their listener, unlike the internet's. */
static void
urgent_bytes_of_local_peers_are_bytes(void **state)
{
	(void)state;
	open_up(&(struct setting){0});
	scripted_arrive(0, 1);
	iterate();
	assert_int_equal(scripted.inlined, 0);
	scripted.peer = (struct address){.length = sizeof(sa_family_t), .any.sa_family = AF_UNIX};
	scripted_arrive(0, 1);
	iterate();
	assert_int_equal(scripted_accepted(), 2);
	assert_int_equal(scripted.inlined, 1);
	close_up();
}

static void
a_source_with_its_share_is_reset(void **state)
{
	(void)state;
	open_up(&(struct setting){.source_limit = 2});
	scripted_arrive(0, 4);
	iterate();
	assert_int_equal(scripted_accepted(), 4);
	assert_int_equal(entrance.opened, 2);
	assert_int_equal(entrance.stats.tcp_accepted, 2);
	assert_int_equal(entrance.stats.tcp_refused_source, 2);
	assert_int_equal(scripted.aborts, 2);
	assert_int_equal(fcntl(scripted.last_fd, F_GETFD), -1);
	assert_int_equal(scripted_logged("REFUSE: proto=tcp from=127.0.0.1:0 "
	                                 "reason=max-connections-per-source\n"),
	        1);
	assert_int_equal(scripted_logged("\n"), 1); /* one a second */
	scripted.peer.in4.sin_addr.s_addr++;
	scripted_arrive(0, 1);
	iterate();
	assert_int_equal(entrance.opened, 3);
	scripted.peer.in4.sin_addr.s_addr--;
	entrance.delivered = 1; /* the first */
	scripted_arrive(0, 1);
	iterate();
	assert_int_equal(entrance.opened, 4);
	assert_int_equal(entrance.stats.tcp_refused_source, 2);
	close_up();
}

static void
without_memory_there_is_none(void **state)
{
	struct listeners none = {0};

	(void)state;
	failing_callocs = 1;
	errno = 0;
	assert_null(acceptor_new(&(struct acceptor_config){0}, &none));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(failing_callocs, 0);
	acceptor_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_storm_leaves_iterations_for_others),
	        cmocka_unit_test(more_listeners_than_accepts_an_iteration),
	        cmocka_unit_test(every_connection_comes_in),
	        cmocka_unit_test(datagram_sockets_accept_nothing),
	        cmocka_unit_test(errors_go_on_or_pause),
	        cmocka_unit_test(errors_count_as_accepts_of_an_iteration),
	        cmocka_unit_test(a_pause_neither_spins_nor_floods),
	        cmocka_unit_test(a_pause_begins_when_accepting_failed),
	        cmocka_unit_test(a_pause_ends_with_the_acceptor),
	        cmocka_unit_test(what_epoll_refuses_pauses),
	        cmocka_unit_test(what_epoll_refuses_is_heard_of_soon),
	        cmocka_unit_test(when_a_pause_is_over_nothing_goes_on),
	        cmocka_unit_test(urgent_bytes_of_local_peers_are_bytes),
	        cmocka_unit_test(a_source_with_its_share_is_reset),
	        cmocka_unit_test(without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
