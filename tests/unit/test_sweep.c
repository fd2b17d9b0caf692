#include "test.h"

#include "crowd.h"
#include "fake_clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	LATE_MS = 1400, /* what the contract allows */
	HOUR_MS = 3600 * 1000,
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

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);

ssize_t
__wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	(void)fd;
	(void)buffer;
	(void)size;
	(void)flags;
	errno = EAGAIN;
	return -1;
}

/* Until the connection has been closed; fails when that takes longer than at_most_ms. */
static uint64_t
lasted_ms(const struct connection *c, uint64_t at_most_ms)
{
	uint64_t lasted = 0;

	while (c->open) {
		crowd_pass(10);
		lasted += 10;
		assert_true(lasted <= at_most_ms);
	}
	return lasted;
}

/* Whichever slot it has, and wherever between two ticks it came. */
static void
a_timeout_is_never_early_and_hardly_late(void **state)
{
	static const uint64_t timeouts[] = {100, 101, 250, 500, 1000, 5000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(timeouts) * 10 * 2; i++) {
		uint64_t timeout = timeouts[i % ARRAY_SIZE(timeouts)];
		uint64_t phase = i / ARRAY_SIZE(timeouts) % 10 * 10;
		bool stalled = i / ARRAY_SIZE(timeouts) / 10;
		struct connection *others[35], *c;

		crowd_gather(100, (struct sweep_config){.idle_timeout = stalled ? 0 : timeout,
		                          .stall_timeout = stalled ? timeout : 0});
		for (size_t n = 0; n < ARRAY_SIZE(others); n++)
			others[n] = crowd_join();
		for (size_t n = 0; n < i % 35; n++)
			connection_close(crowd.connections, others[n], CLOSE_EOF);
		crowd_pass(phase);
		c = crowd_join();
		c->blocked = stalled;
		assert_in_range(lasted_ms(c, HOUR_MS), timeout, timeout + LATE_MS);
		assert_true(crowd.stats.tcp_closed_idle == 0 || !stalled);
		assert_true(crowd.stats.tcp_closed_stalled == 1 || !stalled);
		crowd_disperse();
	}
}

static void
what_moves_stays(void **state)
{
	struct connection *c, *quiet;

	(void)state;
	crowd_gather(10, (struct sweep_config){.idle_timeout = 500, .stall_timeout = 500});
	c = crowd_join();
	quiet = crowd_join();
	for (int i = 0; i < 100; i++) {
		crowd_moves(c);
		c->blocked = i & 1;
		crowd_pass(400);
		assert_true(c->open);
	}
	assert_false(quiet->open);
	c->blocked = false;
	crowd_moves(c);
	assert_in_range(lasted_ms(c, HOUR_MS), 500, 500 + LATE_MS);
	assert_int_equal(crowd.stats.tcp_closed_idle, 2);
	crowd_disperse();
}

/* A peer that does not take its bytes is stalled, however long that makes it idle; the others are
 * idle. */
static void
each_has_its_own_timeout(void **state)
{
	struct connection *idle, *stalled;

	(void)state;
	crowd_gather(10, (struct sweep_config){.idle_timeout = 500, .stall_timeout = 60000});
	idle = crowd_join();
	stalled = crowd_join();
	stalled->blocked = true;
	assert_in_range(lasted_ms(idle, HOUR_MS), 500, 500 + LATE_MS);
	assert_in_range(lasted_ms(stalled, HOUR_MS), 60000 - 1800, 60000 + LATE_MS);
	assert_int_equal(crowd.stats.tcp_closed_idle, 1);
	assert_int_equal(crowd.stats.tcp_closed_stalled, 1);
	crowd_disperse();

	crowd_gather(10, (struct sweep_config){.idle_timeout = 60000, .stall_timeout = 500});
	idle = crowd_join();
	stalled = crowd_join();
	stalled->blocked = true;
	assert_in_range(lasted_ms(stalled, HOUR_MS), 500, 500 + LATE_MS);
	assert_true(idle->open);
	crowd_disperse();
}

static void
zero_is_never(void **state)
{
	struct connection *idle, *stalled;

	(void)state;
	crowd_gather(10, (struct sweep_config){0});
	idle = crowd_join();
	stalled = crowd_join();
	stalled->blocked = true;
	for (int s = 0; s < 10 * 3600; s++)
		crowd_stop(1000);
	assert_true(idle->open && stalled->open);
	assert_false(crowd_evict());
	assert_int_equal(crowd.reports, 0);
	crowd_disperse();
}

static void
a_header_has_three_seconds(void **state)
{
	struct connection *c;

	(void)state;
	for (uint64_t phase = 0; phase < 1000; phase += 70) {
		crowd_gather(10, (struct sweep_config){0});
		crowd_pass(phase);
		c = crowd_join();
		connection_await_header(c);
		ev_io_stop(crowd.loop, &c->watcher); /* a part has come */
		crowd_pass(1200);
		assert_true(ev_is_active(&c->watcher));
		assert_in_range(lasted_ms(c, HOUR_MS), 3000 - 1200, 3000 - 1200 + LATE_MS);
		assert_int_equal(crowd.stats.tcp_closed_proxy, 1);
		crowd_disperse();
	}
}

/* SIGSTOP, a suspended machine: no bytes could move, so no connection was idle. */
static void
time_without_us_counts_a_tick_at_most(void **state)
{
	static const uint64_t stops[] = {1500, 60000, 24 * HOUR_MS};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++) {
		struct connection *c;

		crowd_gather(10, (struct sweep_config){.idle_timeout = 5000,
		                         .idle_timeout_full = 5000,
		                         .stall_timeout = 5000});
		c = crowd_join();
		crowd_pass(1000);
		crowd_stop(stops[i]);
		assert_true(c->open);
		/* none of the rest is made up for later */
		assert_in_range(lasted_ms(c, HOUR_MS), 5000 - 1000 - 100, 5000 - 1000 + LATE_MS);
		crowd_disperse();
	}
}

/* A loop that is busy all the time: timeouts come late by what the ticks are late, never early. */
static void
each_late_tick_counts_as_one(void **state)
{
	struct connection *c;
	int ticks = 0;

	(void)state;
	crowd_gather(10, (struct sweep_config){.idle_timeout = 5000});
	c = crowd_join();
	for (; c->open; ticks++)
		crowd_stop(900);
	assert_in_range(ticks, 50, 50 + LATE_MS / 100);
	crowd_disperse();
}

/* The tick after a late one comes at its own time (ev(3), repeating timers), soon after. What moved
 * just before the late one has not been quiet for two ticks then. */
static void
a_late_tick_closes_no_connection_early(void **state)
{
	(void)state;
	for (uint64_t late_ms = 10; late_ms < 100; late_ms += 10) {
		struct connection *c;
		uint32_t begun;

		crowd_gather(10, (struct sweep_config){.idle_timeout = 100});
		c = crowd_join();
		begun = connections_now(crowd.connections);
		while (connections_now(crowd.connections) == begun)
			crowd_pass(10);
		fake_clock_ns +=
		        (90 + late_ms) * NS_PER_MS; /* a long iteration, in which it moves */
		crowd_moves(c);
		assert_in_range(lasted_ms(c, HOUR_MS), 100, 100 + LATE_MS);
		crowd_disperse();
	}
}

/* A tenth a tick: all of them within ten ticks, and no iteration bears them all. In the round in
 * which they came, whose first tick found one, it is a ninth. */
static void
slices_cover_everybody(void **state)
{
	static const uint32_t crowds[] = {1, 9, 10, 11, 99, 100, 101, 1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(crowds); i++) {
		crowd_gather(crowds[i], (struct sweep_config){.idle_timeout = 100});
		for (uint32_t n = 0; n < crowds[i]; n++)
			crowd_join();
		while (connections_open_now(crowd.connections) == crowds[i])
			crowd_pass(10);
		for (int tick = 0; connections_open_now(crowd.connections) > 0; tick++) {
			uint32_t before = connections_open_now(crowd.connections);

			assert_true(tick < 10);
			crowd_pass(100);
			assert_true(before - connections_open_now(crowd.connections) <=
			            crowds[i] / 9 + 1);
		}
		crowd_disperse();
	}
}

static void
it_sleeps_without_connections(void **state)
{
	struct connection *c;

	(void)state;
	crowd_gather(10, (struct sweep_config){.idle_timeout = 500});
	assert_false(ev_run(crowd.loop, EVRUN_NOWAIT));
	c = crowd_join();
	assert_true(ev_run(crowd.loop, EVRUN_NOWAIT));
	connection_close(crowd.connections, c, CLOSE_EOF);
	crowd_pass(200);
	assert_false(ev_run(crowd.loop, EVRUN_NOWAIT));
	/* what was slept through is no idleness */
	fake_clock_ns += 950 * NS_PER_MS;
	ev_run(crowd.loop, EVRUN_NOWAIT);
	c = crowd_join();
	assert_in_range(lasted_ms(c, HOUR_MS), 500, 500 + LATE_MS);
	crowd_disperse();
}

static void
newcomers_do_not_put_it_off(void **state)
{
	struct connection *c;
	uint64_t lasted = 0;

	(void)state;
	crowd_gather(10, (struct sweep_config){.idle_timeout = 500});
	for (c = crowd_join(); c->open; lasted += 10) {
		crowd_pass(10);
		sweep_wake(crowd.sweep);
		assert_true(lasted <= 500 + LATE_MS);
	}
	crowd_disperse();
}

/* A tenth of the table a tick would never reach the end of one that grows by an eighth. */
static void
newcomers_do_not_outrun_it(void **state)
{
	struct connection *first;
	uint64_t lasted = 0;

	(void)state;
	crowd_gather(4000, (struct sweep_config){.idle_timeout = 500});
	for (first = crowd_join(); first->open; lasted += 100) {
		for (uint32_t n = connections_slots(crowd.connections) / 8 + 1; n > 0; n--)
			assert_non_null(crowd_join());
		crowd_pass(100);
		assert_true(lasted <= 500 + LATE_MS);
	}
	crowd_disperse();
}

static void
without_memory_there_is_none(void **state)
{
	(void)state;
	failing_callocs = 1;
	errno = 0;
	assert_null(sweep_new(&(struct sweep_config){0}));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(failing_callocs, 0);
	sweep_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_timeout_is_never_early_and_hardly_late),
	        cmocka_unit_test(what_moves_stays),
	        cmocka_unit_test(each_has_its_own_timeout),
	        cmocka_unit_test(zero_is_never),
	        cmocka_unit_test(a_header_has_three_seconds),
	        cmocka_unit_test(time_without_us_counts_a_tick_at_most),
	        cmocka_unit_test(each_late_tick_counts_as_one),
	        cmocka_unit_test(a_late_tick_closes_no_connection_early),
	        cmocka_unit_test(slices_cover_everybody),
	        cmocka_unit_test(it_sleeps_without_connections),
	        cmocka_unit_test(newcomers_do_not_put_it_off),
	        cmocka_unit_test(newcomers_do_not_outrun_it),
	        cmocka_unit_test(without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
