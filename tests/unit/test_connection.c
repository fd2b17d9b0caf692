#include "test.h"

#include "echod/connection.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	RING = 4096,
	LIMIT = 4,
};

static struct ev_loop *loop;
static struct stats stats;
static struct connections *connections;
static int closed; /* calls of on_closed */
static const struct address peer = {.length = sizeof(struct sockaddr_in),
        .in4 = {.sin_family = AF_INET, .sin_addr = {.s_addr = 0x0100007f}}};

static void
on_closed(void *owner)
{
	assert_ptr_equal(owner, &closed);
	closed++;
}

static void
make(uint32_t rings, uint64_t source_limit)
{
	const struct connections_config config = {.loop = loop,
	        .limit = LIMIT,
	        .ring_size = RING,
	        .ring_memory = (size_t)rings * RING,
	        .source_limit = source_limit,
	        .stats = &stats,
	        .on_closed = on_closed,
	        .owner = &closed};

	kernel_reset();
	closed = 0;
	stats = (struct stats){0};
	connections = connections_new(&config);
	assert_non_null(connections);
}

/* The real descriptor, for libev's sake; its bytes are the scripted kernel's. */
static struct connection *
open_one(void)
{
	uint32_t index = connections_slots(connections);
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_true(fd >= 0);
	assert_int_equal(connection_open(connections, fd, &peer), 0);
	return connections_at(connections, index);
}

static void
done(void)
{
	assert_int_equal(connections_rings_lent(connections), 0);
	assert_int_equal(connections_open_now(connections), stats.tcp_open);
	connections_free(connections);
	assert_int_equal(stats.tcp_open, 0);
}

/* What epoll reports of these events reaches the connection if it waits for them. */
static void
turn(struct connection *c, int events)
{
	int waited_for = connection_interest(c);

	assert_true(c->open);
	assert_int_equal(c->stream.watcher.events & (EV_READ | EV_WRITE), waited_for);
	assert_true(ev_is_active(&c->stream.watcher));
	assert_true(waited_for != 0);
	if (events & waited_for)
		ev_invoke(loop, &c->stream.watcher, events & waited_for);
}

static int
loop_up(void **state)
{
	(void)state;
	loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	return loop ? 0 : -1;
}

static int
loop_down(void **state)
{
	(void)state;
	ev_loop_destroy(loop);
	return 0;
}

static void
an_echo_is_one_receive_and_one_send(void **state)
{
	struct connection *c;

	(void)state;
	make(1, 0);
	c = open_one();
	ev_run(loop, EVRUN_NOWAIT); /* the descriptor goes to epoll */
	kernel.controls = 0;
	for (size_t i = 1; i <= 100; i++) {
		kernel_peer_sends(12);
		turn(c, EV_READ);
		assert_true(kernel_echoed_exactly(12 * i));
		assert_int_equal(connections_rings_lent(connections), 0);
		assert_int_equal(connection_interest(c), EV_READ);
		ev_run(loop, EVRUN_NOWAIT);
	}
	assert_int_equal(kernel.receives, 100);
	assert_int_equal(kernel.sends, 100);
	assert_int_equal(kernel.controls, 0);
	assert_int_equal(c->sent, 1200);
	assert_int_equal(stats.tcp_received_bytes, 1200);
	assert_int_equal(stats.tcp_sent_bytes, 1200);
	done();
}

static void
finish_with_nothing_owed_ends_at_once(void **state)
{
	struct connection *c;

	(void)state;
	make(1, 0);
	c = open_one();
	kernel.finished = true;
	turn(c, EV_READ);
	assert_false(c->open);
	assert_int_equal(closed, 1);
	assert_int_equal(stats.tcp_closed_eof, 1);
	assert_false(kernel.aborted);
	done();
}

/* Half-close: every byte comes back before the end, one byte a send if it has to be. */
static void
finish_with_bytes_owed_waits_for_them(void **state)
{
	for (uint32_t rings = 0; rings <= 1; rings++) {
		struct connection *c;

		(void)state;
		make(rings, 0);
		c = open_one();
		kernel_peer_sends(300);
		kernel.window = 0;
		kernel.finished = true;
		turn(c, EV_READ);
		while (c->open) {
			size_t before = kernel.taken;

			kernel.window = 1;
			turn(c, EV_READ | EV_WRITE);
			assert_true(kernel.taken <= before + 1);
			assert_true(kernel.sends + kernel.receives < 2000);
		}
		assert_true(kernel_echoed_exactly(300));
		assert_int_equal(stats.tcp_closed_eof, 1);
		assert_false(kernel.aborted);
		done();
	}
}

static void
blocked_peer_is_waited_for_with_a_full_ring(void **state)
{
	struct connection *c;

	(void)state;
	make(1, 0);
	c = open_one();
	kernel_peer_sends(3 * RING);
	kernel.window = 100;
	turn(c, EV_READ);
	assert_int_equal(connections_rings_lent(connections), 1);
	assert_true(c->blocked);
	for (int i = 0; i < 5; i++)
		turn(c, EV_READ);
	assert_int_equal(connection_interest(c), EV_WRITE);
	assert_int_equal(io_held(&c->stream), RING);
	assert_int_equal(kernel.sends, 1); /* no send before the kernel says that it takes more */
	kernel.window = KERNEL_QUEUE;
	for (int i = 0; i < 10; i++)
		turn(c, EV_READ | EV_WRITE);
	assert_true(kernel_echoed_exactly(3 * RING));
	assert_int_equal(connection_interest(c), EV_READ);
	done();
}

static void
without_a_ring_bytes_wait_in_the_kernel(void **state)
{
	struct connection *c;

	(void)state;
	make(0, 0);
	c = open_one();
	kernel_peer_sends(1000);
	kernel.window = 300;
	turn(c, EV_READ);
	assert_int_equal(kernel.queued, 700);
	assert_int_equal(connection_interest(c), EV_WRITE);
	assert_int_equal(c->sent, 300);
	assert_int_equal(stats.tcp_received_bytes, 300);
	kernel.window = 1000;
	turn(c, EV_WRITE);
	assert_true(kernel_echoed_exactly(1000));
	assert_int_equal(kernel.queued, 0);
	assert_int_equal(connection_interest(c), EV_READ);
	assert_int_equal(stats.tcp_without_ring, 2);
	done();
}

/* The queue gives what was sent piece by piece (urgent data splits it). */
static void
without_a_ring_what_was_sent_is_taken_in_pieces(void **state)
{
	struct connection *c;

	(void)state;
	make(0, 0);
	c = open_one();
	kernel_peer_sends(10);
	kernel.most_at_once = 3;
	for (int i = 0; i < 4; i++)
		turn(c, EV_READ);
	assert_true(kernel_echoed_exactly(10));
	done();
}

static void
a_ring_that_comes_free_is_used(void **state)
{
	struct connection *first, *second;

	(void)state;
	make(1, 0);
	first = open_one();
	second = open_one();
	kernel_peer_sends(10);
	kernel.window = 4;
	turn(first, EV_READ); /* keeps the only ring: 6 bytes */
	assert_int_equal(connections_rings_lent(connections), 1);
	kernel_peer_sends(10);
	turn(second, EV_READ); /* looks, cannot send */
	assert_true(second->blocked);
	kernel.window = 6;
	turn(first, EV_WRITE);
	assert_int_equal(connections_rings_lent(connections), 0);
	kernel.window = 100;
	turn(second, EV_WRITE);
	turn(second, EV_WRITE);
	assert_true(kernel_echoed_exactly(20));
	assert_false(second->blocked);
	done();
}

static void
spurious_readiness_changes_nothing(void **state)
{
	for (uint32_t rings = 0; rings <= 1; rings++) {
		struct connection *c;

		(void)state;
		make(rings, 0);
		c = open_one();
		turn(c, EV_READ);
		assert_true(c->open);
		assert_int_equal(connection_interest(c), EV_READ);
		assert_int_equal(connections_rings_lent(connections), 0);
		assert_int_equal(kernel.sends, 0);
		done();
	}
}

static void
interrupts_lose_nothing(void **state)
{
	for (uint32_t rings = 0; rings <= 1; rings++) {
		struct connection *c;

		(void)state;
		make(rings, 0);
		c = open_one();
		for (int interrupts = 1; interrupts <= 3; interrupts++) {
			kernel_peer_sends(50);
			kernel.interrupts = interrupts;
			for (int i = 0; i < 5; i++)
				turn(c, EV_READ | EV_WRITE);
		}
		assert_true(kernel_echoed_exactly(150));
		assert_true(c->open);
		done();
	}
}

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

		make(way < 6 ? 2 : 0, 0);
		c = open_one();
		other = open_one();
		if (state_before > 0) {
			kernel_peer_sends(100);
			kernel.window = 10;
			kernel.finished = state_before == 2;
			turn(c, EV_READ);
			turn(c, EV_READ);
		} else {
			kernel_peer_sends(100);
		}
		kernel.window = 0;
		*(on_send ? &kernel.send_error : &kernel.receive_error) = failure->error;
		turn(c, EV_READ);
		if (c->open)
			turn(c, EV_WRITE);
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
		done();
	}
}

static void
epoll_error_ends_the_connection(void **state)
{
	struct connection *c;

	(void)state;
	make(1, 0);
	c = open_one();
	ev_invoke(loop, &c->stream.watcher, EV_ERROR | EV_READ | EV_WRITE);
	assert_false(c->open);
	assert_int_equal(stats.tcp_closed_error, 1);
	assert_int_equal(kernel.receives, 0);
	done();
}

static void
what_is_owed_at_the_end_is_answered_with_a_reset(void **state)
{
	struct connection *c;

	(void)state;
	make(1, 0);
	c = open_one();
	connection_close(connections, c, CLOSE_IDLE);
	assert_false(kernel.aborted);
	assert_int_equal(stats.tcp_closed_idle, 1);
	c = open_one();
	c = connections_at(connections, 0);
	kernel_peer_sends(10);
	kernel.window = 0;
	turn(c, EV_READ);
	connection_close(connections, c, CLOSE_STALLED);
	assert_true(kernel.aborted);
	assert_int_equal(stats.tcp_closed_stalled, 1);
	done();
}

static void
the_limit_is_kept_and_a_slot_comes_back(void **state)
{
	(void)state;
	make(1, 0);
	for (int i = 0; i < LIMIT; i++)
		open_one();
	assert_true(connections_full(connections));
	assert_int_equal(connection_open(connections, 99, &peer), -ENOBUFS);
	connection_close(connections, connections_at(connections, 2), CLOSE_IDLE);
	assert_false(connections_full(connections));
	assert_int_equal(connection_open(connections, eventfd(0, EFD_NONBLOCK), &peer), 0);
	assert_true(connections_at(connections, 2)->open);
	assert_int_equal(stats.tcp_accepted, LIMIT + 1);
	done();
}

static void
a_source_has_its_share_and_gets_it_back(void **state)
{
	(void)state;
	make(1, 2);
	open_one();
	open_one();
	assert_int_equal(connection_open(connections, 99, &peer), -EDQUOT);
	assert_int_equal(connections_open_now(connections), 2);
	connection_close(connections, connections_at(connections, 0), CLOSE_IDLE);
	assert_int_equal(connection_open(connections, eventfd(0, EFD_NONBLOCK), &peer), 0);
	done();
}

static void
time_is_stamped_when_bytes_move_or_begin_to_wait(void **state)
{
	struct connection *c;

	(void)state;
	make(1, 0);
	connections_advance(connections, 5);
	c = open_one();
	assert_int_equal(c->active_at, 5);
	connections_advance(connections, 10);
	kernel_peer_sends(10);
	turn(c, EV_READ);
	assert_int_equal(c->active_at, 15);
	connections_advance(connections, 10);
	kernel_peer_sends(10);
	kernel.window = 0;
	turn(c, EV_READ); /* begins to wait */
	assert_int_equal(c->active_at, 25);
	connections_advance(connections, 10);
	kernel_peer_sends(10);
	turn(c, EV_READ | EV_WRITE); /* waits on: sending more is no progress */
	assert_int_equal(c->active_at, 25);
	kernel.window = 1;
	turn(c, EV_WRITE);
	assert_int_equal(c->active_at, 35);
	kernel.window = 100;
	turn(c, EV_WRITE);
	done();
}

static void
freeing_closes_what_is_open(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	make(1, 0);
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
	        cmocka_unit_test(an_echo_is_one_receive_and_one_send),
	        cmocka_unit_test(finish_with_nothing_owed_ends_at_once),
	        cmocka_unit_test(finish_with_bytes_owed_waits_for_them),
	        cmocka_unit_test(blocked_peer_is_waited_for_with_a_full_ring),
	        cmocka_unit_test(without_a_ring_bytes_wait_in_the_kernel),
	        cmocka_unit_test(without_a_ring_what_was_sent_is_taken_in_pieces),
	        cmocka_unit_test(a_ring_that_comes_free_is_used),
	        cmocka_unit_test(spurious_readiness_changes_nothing),
	        cmocka_unit_test(interrupts_lose_nothing),
	        cmocka_unit_test(errors_end_the_one_connection_with_their_reason),
	        cmocka_unit_test(epoll_error_ends_the_connection),
	        cmocka_unit_test(what_is_owed_at_the_end_is_answered_with_a_reset),
	        cmocka_unit_test(the_limit_is_kept_and_a_slot_comes_back),
	        cmocka_unit_test(a_source_has_its_share_and_gets_it_back),
	        cmocka_unit_test(time_is_stamped_when_bytes_move_or_begin_to_wait),
	        cmocka_unit_test(freeing_closes_what_is_open),
	};

	return cmocka_run_group_tests(tests, loop_up, loop_down);
}
