#include "test.h"

#include "connected.h"

static void
an_echo_is_one_receive_and_one_send(void **state)
{
	struct connection *c;

	(void)state;
	connected_begin(1, 0);
	c = connected_open();
	ev_run(loop, EVRUN_NOWAIT); /* the descriptor goes to epoll */
	kernel.controls = 0;
	for (size_t i = 1; i <= 100; i++) {
		kernel_peer_sends(12);
		connected_iterate(c, EV_READ);
		assert_true(kernel_echoed_exactly(12 * i));
		assert_int_equal(connections_rings_lent(connections), 0);
		assert_int_equal(echo_interest(c), EV_READ);
		ev_run(loop, EVRUN_NOWAIT);
	}
	assert_int_equal(kernel.receives, 100);
	assert_int_equal(kernel.sends, 100);
	assert_int_equal(kernel.controls, 0);
	assert_int_equal(c->sent, 1200);
	assert_int_equal(stats.tcp_received_bytes, 1200);
	assert_int_equal(stats.tcp_sent_bytes, 1200);
	connected_end();
}

static void
finish_with_nothing_owed_ends_at_once(void **state)
{
	struct connection *c;

	(void)state;
	connected_begin(1, 0);
	c = connected_open();
	kernel.finished = true;
	connected_iterate(c, EV_READ);
	assert_false(c->open);
	assert_int_equal(closed, 1);
	assert_int_equal(stats.tcp_closed_eof, 1);
	assert_false(kernel.aborted);
	connected_end();
}

/* Half-close: every byte comes back before the end, one byte a send if it has to be. */
static void
finish_with_bytes_owed_waits_for_them(void **state)
{
	for (uint32_t rings = 0; rings <= 1; rings++) {
		struct connection *c;

		(void)state;
		connected_begin(rings, 0);
		c = connected_open();
		kernel_peer_sends(300);
		kernel.window = 0;
		kernel.finished = true;
		connected_iterate(c, EV_READ);
		while (c->open) {
			size_t before = kernel.taken;

			kernel.window = 1;
			connected_iterate(c, EV_READ | EV_WRITE);
			assert_true(kernel.taken <= before + 1);
			assert_true(kernel.sends + kernel.receives < 2000);
		}
		assert_true(kernel_echoed_exactly(300));
		assert_int_equal(stats.tcp_closed_eof, 1);
		assert_false(kernel.aborted);
		connected_end();
	}
}

static void
blocked_peer_is_waited_for_with_a_full_ring(void **state)
{
	struct connection *c;

	(void)state;
	connected_begin(1, 0);
	c = connected_open();
	kernel_peer_sends(3 * RING);
	kernel.window = 100;
	connected_iterate(c, EV_READ);
	assert_int_equal(connections_rings_lent(connections), 1);
	assert_true(c->blocked);
	for (int i = 0; i < 5; i++)
		connected_iterate(c, EV_READ);
	assert_int_equal(echo_interest(c), EV_WRITE);
	assert_int_equal(echo_held(c), RING);
	assert_int_equal(kernel.sends, 1); /* no send before the kernel says that it takes more */
	kernel.window = KERNEL_QUEUE;
	for (int i = 0; i < 10; i++)
		connected_iterate(c, EV_READ | EV_WRITE);
	assert_true(kernel_echoed_exactly(3 * RING));
	assert_int_equal(echo_interest(c), EV_READ);
	connected_end();
}

static void
without_a_ring_bytes_wait_in_the_kernel(void **state)
{
	struct connection *c;

	(void)state;
	connected_begin(0, 0);
	c = connected_open();
	kernel_peer_sends(1000);
	kernel.window = 300;
	connected_iterate(c, EV_READ);
	assert_int_equal(kernel.queued, 700);
	assert_int_equal(echo_interest(c), EV_WRITE);
	assert_int_equal(c->sent, 300);
	assert_int_equal(stats.tcp_received_bytes, 300);
	kernel.window = 1000;
	connected_iterate(c, EV_WRITE);
	assert_true(kernel_echoed_exactly(1000));
	assert_int_equal(kernel.queued, 0);
	assert_int_equal(echo_interest(c), EV_READ);
	assert_int_equal(stats.tcp_without_ring, 2);
	connected_end();
}

/* The queue gives what was sent piece by piece (urgent data splits it). */
static void
without_a_ring_what_was_sent_is_taken_in_pieces(void **state)
{
	struct connection *c;

	(void)state;
	connected_begin(0, 0);
	c = connected_open();
	kernel_peer_sends(10);
	kernel.most_at_once = 3;
	for (int i = 0; i < 4; i++)
		connected_iterate(c, EV_READ);
	assert_true(kernel_echoed_exactly(10));
	connected_end();
}

static void
a_ring_that_comes_free_is_used(void **state)
{
	struct connection *first, *second;

	(void)state;
	connected_begin(1, 0);
	first = connected_open();
	second = connected_open();
	kernel_peer_sends(10);
	kernel.window = 4;
	connected_iterate(first, EV_READ); /* keeps the only ring: 6 bytes */
	assert_int_equal(connections_rings_lent(connections), 1);
	kernel_peer_sends(10);
	connected_iterate(second, EV_READ); /* looks, cannot send */
	assert_true(second->blocked);
	kernel.window = 6;
	connected_iterate(first, EV_WRITE);
	assert_int_equal(connections_rings_lent(connections), 0);
	kernel.window = 100;
	connected_iterate(second, EV_WRITE);
	connected_iterate(second, EV_WRITE);
	assert_true(kernel_echoed_exactly(20));
	assert_false(second->blocked);
	connected_end();
}

static void
spurious_readiness_changes_nothing(void **state)
{
	for (uint32_t rings = 0; rings <= 1; rings++) {
		struct connection *c;

		(void)state;
		connected_begin(rings, 0);
		c = connected_open();
		connected_iterate(c, EV_READ);
		assert_true(c->open);
		assert_int_equal(echo_interest(c), EV_READ);
		assert_int_equal(connections_rings_lent(connections), 0);
		assert_int_equal(kernel.sends, 0);
		connected_end();
	}
}

static void
interrupts_lose_nothing(void **state)
{
	for (uint32_t rings = 0; rings <= 1; rings++) {
		struct connection *c;

		(void)state;
		connected_begin(rings, 0);
		c = connected_open();
		for (int interrupts = 1; interrupts <= 3; interrupts++) {
			kernel_peer_sends(50);
			kernel.interrupts = interrupts;
			for (int i = 0; i < 5; i++)
				connected_iterate(c, EV_READ | EV_WRITE);
		}
		assert_true(kernel_echoed_exactly(150));
		assert_true(c->open);
		connected_end();
	}
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
	};

	return cmocka_run_group_tests(tests, connected_loop_up, connected_loop_down);
}
