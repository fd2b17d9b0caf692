#include "test.h"

#include "connected.h"
#include "fake_clock.h"

#include "echod/sweep.h"

#include <errno.h>

static struct sweep *sweep;

static void
on_evictable(void *owner)
{
	(void)owner;
}

static void
begin(uint64_t stall_timeout)
{
	connected_begin(2, 0);
	sweep = sweep_new(&(struct sweep_config){.loop = loop,
	        .connections = connections,
	        .idle_timeout = 300,
	        .idle_timeout_full = 200,
	        .stall_timeout = stall_timeout,
	        .on_evictable = on_evictable});
	assert_non_null(sweep);
}

static void
end(void)
{
	connected_end();
	sweep_free(sweep);
}

static void
pass(uint64_t time_ms)
{
	for (uint64_t passed = 0; passed < time_ms; passed += 10) {
		fake_clock_ns += 10 * NS_PER_MS;
		ev_run(loop, EVRUN_NOWAIT);
	}
}

/* Sends length bytes, takes all of them back into its queue, and finishes. */
static struct connection *
open_and_finish(size_t length)
{
	struct connection *c = connected_open();

	sweep_wake(sweep);
	kernel_peer_sends(length);
	connected_iterate(c, EV_READ);
	kernel.finished = true;
	connected_iterate(c, EV_READ);
	kernel.finished = false;
	return c;
}

static void
with_everything_acknowledged_the_end_comes_at_once(void **state)
{
	struct connection *c;

	(void)state;
	begin(1000);
	c = open_and_finish(100);
	assert_false(c->open);
	assert_int_equal(stats.tcp_closed_eof, 1);
	assert_int_equal(kernel.asked, 1);
	assert_false(kernel.shut);
	assert_false(kernel.aborted);
	end();
}

static void
with_bytes_outstanding_it_lingers_until_they_are_acknowledged(void **state)
{
	struct connection *c;

	(void)state;
	begin(0); /* for ever, if need be */
	kernel.acked = 0;
	c = open_and_finish(100);
	assert_true(c->open && c->lingers);
	assert_true(kernel.shut);
	assert_false(ev_is_active(&c->watcher));
	assert_int_equal(stats.tcp_open, 1);
	assert_int_equal(connections_lingering(connections), 1);
	/* however idle it is, and whatever else wants its slot */
	pass(10000);
	assert_false(sweep_can_free_slot(sweep));
	assert_true(c->open);
	kernel.acked = 99;
	pass(200);
	assert_true(c->open);
	kernel.acked = 100;
	pass(200);
	assert_false(c->open);
	assert_int_equal(stats.tcp_closed_eof, 1);
	assert_int_equal(connections_lingering(connections), 0);
	assert_false(kernel.aborted);
	end();
}

static void
a_peer_that_acknowledges_nothing_is_reset(void **state)
{
	struct connection *c;
	int ticks = 0;

	(void)state;
	begin(1000);
	kernel.acked = 7;
	c = open_and_finish(100);
	pass(900);
	assert_true(c->open);
	kernel.acked = 8; /* progress */
	pass(200);
	while (c->open && ticks++ < 100)
		pass(100);
	assert_in_range(ticks, 8, 12);
	assert_int_equal(stats.tcp_closed_stalled, 1);
	assert_true(kernel.aborted);
	end();
}

static void
its_death_has_a_reason(void **state)
{
	const struct {
		int error;
		const uint64_t *counter;
	} samples[] = {{EPIPE, &stats.tcp_closed_reset}, {ETIMEDOUT, &stats.tcp_closed_timeout},
	        {EHOSTUNREACH, &stats.tcp_closed_error}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct connection *c;

		begin(1000);
		kernel.acked = 0;
		c = open_and_finish(100);
		kernel.death = samples[i].error;
		pass(200);
		assert_false(c->open);
		assert_int_equal(*samples[i].counter, 1);
		assert_false(kernel.aborted);
		end();
	}
}

/* And when the table is full, this is found out at once. */
static void
slots_are_freed_for_new_connections(void **state)
{
	(void)state;
	begin(1000);
	kernel.acked = 0;
	for (size_t i = 0; i < LIMIT; i++)
		open_and_finish(10);
	assert_int_equal(connections_lingering(connections), LIMIT);
	assert_true(connections_full(connections));
	assert_false(sweep_can_free_slot(sweep));
	assert_false(sweep_can_free_slot(sweep)); /* asked once per tick */
	assert_int_equal(kernel.asked, 2 * LIMIT);
	pass(200);
	kernel.acked = UINT64_MAX;
	assert_true(sweep_can_free_slot(sweep));
	assert_int_equal(connections_open_now(connections), 0);
	end();
}

/* After a reload there may be more connections than the limit. */
static void
an_end_that_frees_no_slot_is_not_enough(void **state)
{
	(void)state;
	begin(1000);
	kernel.acked = 0;
	open_and_finish(10);
	open_and_finish(100);
	connections->config.limit = 1;
	kernel.acked = 10;
	assert_false(sweep_can_free_slot(sweep));
	assert_int_equal(connections_open_now(connections), 1);
	end();
}

/* Before the first tick and after it. */
static void
what_is_delivered_ends_before_a_connection_is_accepted(void **state)
{
	enum { PER_TICK = 1024 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		int calls = PER_TICK - i % 2; /* with the last one there is enough of it */
		struct connection *c;

		begin(0);
		sweep_end_delivered(sweep); /* with none, nothing is asked */
		kernel.acked = 0;
		c = open_and_finish(100);
		pass(i < 2 ? 0 : 200);
		kernel.asked = 0;
		for (int call = 0; call < calls; call++)
			sweep_end_delivered(sweep);
		assert_int_equal(kernel.asked, calls);
		assert_true(c->open);
		kernel.acked = 100;
		sweep_end_delivered(sweep);
		assert_int_equal(c->open, calls == PER_TICK);
		kernel.acked = 0;
		pass(200);
		kernel.acked = 100;
		sweep_end_delivered(sweep); /* there is enough again */
		assert_false(c->open);
		assert_int_equal(stats.tcp_closed_eof, 1);
		end();
	}
}

/* Closing one moves another to its position. */
static void
many_linger_and_end_in_any_order(void **state)
{
	struct connection *all[LIMIT];

	(void)state;
	for (size_t first = 0; first < LIMIT; first++) {
		begin(1000);
		kernel.acked = 0;
		for (size_t i = 0; i < LIMIT; i++)
			all[i] = open_and_finish(10);
		for (size_t i = 0; i < LIMIT; i++) {
			connection_close(connections, all[(first + i) % LIMIT], CLOSE_DRAIN);
			assert_int_equal(connections_lingering(connections), LIMIT - 1 - i);
			for (uint32_t left = 0; left < LIMIT - 1 - i; left++)
				assert_true(connections_lingering_at(connections, left)->open);
		}
		assert_true(kernel.aborted);
		end();
	}
}

/* Less than the send buffer holds: send(2) never says that anything waits. */
static void
a_peer_that_acknowledges_nothing_is_stalled_without_fin(void **state)
{
	struct connection *c;
	int ticks = 0;

	(void)state;
	begin(1000);
	kernel.acked = 0;
	c = connected_open();
	sweep_wake(sweep);
	kernel_peer_sends(100);
	connected_iterate(c, EV_READ);
	assert_false(c->blocked);
	for (; c->open && ticks < 100; ticks++) {
		/* bytes that come in are no progress */
		c->active_at = connections_now(connections);
		pass(100);
	}
	assert_in_range(ticks, 10, 25);
	assert_int_equal(stats.tcp_closed_stalled, 1);
	assert_true(kernel.aborted);
	end();
}

/* An end that the daemon chooses must leave no bytes behind in the kernel. */
static void
an_end_with_bytes_outstanding_is_a_reset(void **state)
{
	for (int outstanding = 0; outstanding < 2; outstanding++) {
		struct connection *c;

		(void)state;
		begin(60000);
		c = connected_open();
		sweep_wake(sweep);
		kernel_peer_sends(100);
		connected_iterate(c, EV_READ);
		kernel.acked = outstanding ? 99 : 100;
		pass(2000);
		assert_false(c->open);
		assert_int_equal(stats.tcp_closed_idle, 1);
		assert_int_equal(kernel.aborted, outstanding);
		end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(with_everything_acknowledged_the_end_comes_at_once),
	        cmocka_unit_test(with_bytes_outstanding_it_lingers_until_they_are_acknowledged),
	        cmocka_unit_test(a_peer_that_acknowledges_nothing_is_reset),
	        cmocka_unit_test(its_death_has_a_reason),
	        cmocka_unit_test(slots_are_freed_for_new_connections),
	        cmocka_unit_test(what_is_delivered_ends_before_a_connection_is_accepted),
	        cmocka_unit_test(an_end_that_frees_no_slot_is_not_enough),
	        cmocka_unit_test(many_linger_and_end_in_any_order),
	        cmocka_unit_test(a_peer_that_acknowledges_nothing_is_stalled_without_fin),
	        cmocka_unit_test(an_end_with_bytes_outstanding_is_a_reset),
	};

	return cmocka_run_group_tests(tests, connected_loop_up, connected_loop_down);
}
