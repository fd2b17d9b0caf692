#include "test.h"

#include "connected.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

struct failure {
	int error;
	uint64_t *counter;
};

static void
errors_end_the_one_connection_with_their_reason(void **state)
{
	const struct failure failures[] = {
	        {ECONNRESET, &stats.tcp_closed_reset},
	        {EPIPE, &stats.tcp_closed_reset},
	        {ETIMEDOUT, &stats.tcp_closed_timeout},
	        {EHOSTUNREACH, &stats.tcp_closed_error},
	        {ENOMEM, &stats.tcp_closed_error},
	};

	(void)state;
	/* in every state: idle, with bytes owed, having finished; with a ring and without */
	for (size_t i = 0; i < ARRAY_SIZE(failures) * 2 * 3 * 2; i++) {
		const struct failure *failure = &failures[i % ARRAY_SIZE(failures)];
		size_t way = i / ARRAY_SIZE(failures);
		bool on_send = way & 1;
		size_t state_before = way / 2 % 3;
		struct connection *c, *other;

		connected_begin(way < 6 ? 2 : 0, 0);
		c = connected_open();
		other = connected_open();
		if (state_before > 0) {
			kernel_peer_sends(100);
			kernel.window = 10;
			kernel.finished = state_before == 2;
			connected_iterate(c, EV_READ);
			connected_iterate(c, EV_READ);
		} else {
			kernel_peer_sends(100);
		}
		kernel.window = 0;
		*(on_send ? &kernel.send_error : &kernel.receive_error) = failure->error;
		connected_iterate(c, EV_READ);
		if (c->open)
			connected_iterate(c, EV_WRITE);
		if (c->open) { /* the call that fails is not made in this state */
			assert_true(!on_send && state_before > 0 && way < 6);
			connection_close(connections, c, CLOSE_DRAIN);
		} else {
			assert_int_equal(*failure->counter, 1);
		}
		assert_int_equal(closed, 1);
		/* bytes in a ring are lost with it; those in the kernel are the kernel's to tell of
		 */
		assert_int_equal(kernel.aborted, way < 6 && (on_send || state_before > 0));
		assert_true(other->open);
		assert_int_equal(connections_rings_lent(connections), 0);
		kernel.receive_error = kernel.send_error = 0;
		connected_end();
	}
}

static void
epoll_error_ends_the_connection(void **state)
{
	struct connection *c;

	(void)state;
	connected_begin(1, 0);
	c = connected_open();
	ev_invoke(loop, &c->watcher, EV_ERROR | EV_READ | EV_WRITE);
	assert_false(c->open);
	assert_int_equal(stats.tcp_closed_error, 1);
	assert_int_equal(kernel.receives, 0);
	connected_end();
}

static void
what_is_owed_at_the_end_is_answered_with_a_reset(void **state)
{
	struct connection *c;

	(void)state;
	connected_begin(1, 0);
	c = connected_open();
	connection_close(connections, c, CLOSE_IDLE);
	assert_false(kernel.aborted);
	assert_int_equal(stats.tcp_closed_idle, 1);
	connected_open();
	c = connections_at(connections, 0);
	kernel_peer_sends(10);
	kernel.window = 0;
	connected_iterate(c, EV_READ);
	connection_close(connections, c, CLOSE_STALLED);
	assert_true(kernel.aborted);
	assert_int_equal(stats.tcp_closed_stalled, 1);
	connected_end();
}

/* Not by another receive, which would see the end again. */
static void
the_last_byte_back_ends_it_at_once(void **state)
{
	struct connection *c;

	(void)state;
	connected_begin(1, 0);
	c = connected_open();
	kernel_peer_sends(10);
	kernel.window = 4;
	connected_iterate(c, EV_READ);
	kernel.finished = true;
	connected_iterate(c, EV_READ);
	assert_true(c->open);
	kernel.window = 100;
	connected_iterate(c, EV_WRITE);
	assert_false(c->open);
	assert_int_equal(stats.tcp_closed_eof, 1);
	assert_true(kernel_echoed_exactly(10));
	connected_end();
}

static void
memory_that_is_not_needed_goes_back(void **state)
{
	struct connection *c;

	(void)state;
	connected_begin(2, 0);
	assert_false(connections_trim(connections, 1)); /* nothing has been used */
	c = connected_open();
	kernel_peer_sends(10);
	kernel.window = 0;
	connected_iterate(c, EV_READ);
	connection_close(connections, c, CLOSE_STALLED);
	assert_true(connections_trim(connections, 1));
	assert_false(connections_trim(connections, 1));
	connected_end();
}

static void
the_limit_is_kept_and_a_slot_comes_back(void **state)
{
	(void)state;
	connected_begin(1, 0);
	for (int i = 0; i < LIMIT; i++)
		connected_open();
	assert_true(connections_full(connections));
	assert_int_equal(connection_open(connections, 99, &peer), -ENOBUFS);
	connection_close(connections, connections_at(connections, 2), CLOSE_IDLE);
	assert_false(connections_full(connections));
	assert_int_equal(connection_open(connections, eventfd(0, EFD_NONBLOCK), &peer), 0);
	assert_true(connections_at(connections, 2)->open);
	assert_int_equal(stats.tcp_accepted, LIMIT + 1);
	connected_end();
}

static void
a_source_has_its_share_and_gets_it_back(void **state)
{
	(void)state;
	connected_begin(1, 2);
	connected_open();
	connected_open();
	assert_int_equal(connection_open(connections, 99, &peer), -EDQUOT);
	assert_int_equal(connections_open_now(connections), 2);
	connection_close(connections, connections_at(connections, 0), CLOSE_IDLE);
	assert_int_equal(connection_open(connections, eventfd(0, EFD_NONBLOCK), &peer), 0);
	connected_end();
}

static void
time_is_stamped_when_bytes_move_or_begin_to_wait(void **state)
{
	struct connection *c;

	(void)state;
	connected_begin(1, 0);
	connections_advance(connections, 5);
	c = connected_open();
	assert_int_equal(c->active_at, 5);
	connections_advance(connections, 10);
	kernel_peer_sends(10);
	connected_iterate(c, EV_READ);
	assert_int_equal(c->active_at, 15);
	connections_advance(connections, 10);
	kernel_peer_sends(10);
	kernel.window = 0;
	connected_iterate(c, EV_READ); /* begins to wait */
	assert_int_equal(c->active_at, 25);
	connections_advance(connections, 10);
	kernel_peer_sends(10);
	connected_iterate(c, EV_READ | EV_WRITE); /* waits on: sending more is no progress */
	assert_int_equal(c->active_at, 25);
	kernel.window = 1;
	connected_iterate(c, EV_WRITE);
	assert_int_equal(c->active_at, 35);
	kernel.window = 100;
	connected_iterate(c, EV_WRITE);
	connected_end();
}

static void
freeing_closes_what_is_open(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	connected_begin(1, 0);
	assert_int_equal(connection_open(connections, fd, &peer), 0);
	connections_free(connections);
	assert_int_equal(stats.tcp_closed_drain, 1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	connections_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(errors_end_the_one_connection_with_their_reason),
	        cmocka_unit_test(epoll_error_ends_the_connection),
	        cmocka_unit_test(what_is_owed_at_the_end_is_answered_with_a_reset),
	        cmocka_unit_test(the_last_byte_back_ends_it_at_once),
	        cmocka_unit_test(memory_that_is_not_needed_goes_back),
	        cmocka_unit_test(the_limit_is_kept_and_a_slot_comes_back),
	        cmocka_unit_test(a_source_has_its_share_and_gets_it_back),
	        cmocka_unit_test(time_is_stamped_when_bytes_move_or_begin_to_wait),
	        cmocka_unit_test(freeing_closes_what_is_open),
	};

	return cmocka_run_group_tests(tests, connected_loop_up, connected_loop_down);
}
