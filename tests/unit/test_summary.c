#include "test.h"

#include "echod/bench/report.h"

#include <math.h>
#include <string.h>

#define S UINT64_C(1000000000)

static struct load load;

/* A run of 2 s in which 1000 messages of 64 bytes came back, and all was well. */
static int
setup(void **state)
{
	(void)state;
	memset(&load, 0, sizeof(load));
	load.traffic.size = 64;
	load.traffic.counts = (struct counts){.sent = 1500, .echoed = 1500};
	load.begin = (struct mark){.time_ns = 7 * S,
	        .own_cpu_ns = S,
	        .peer_cpu_ns = 5 * S,
	        .counts = {.sent = 410, .echoed = 400}};
	load.end = (struct mark){.time_ns = 9 * S,
	        .own_cpu_ns = S + S / 2,
	        .peer_cpu_ns = 6 * S,
	        .counts = {.sent = 1410, .echoed = 1400}};
	return 0;
}

static void
assert_near(double value, double expected)
{
	assert_true(fabs(value - expected) <= 1e-9 * (1 + fabs(expected)));
}

static void
rates_are_those_of_the_measurement(void **state)
{
	struct summary s = summary_make(&load);

	(void)state;
	assert_int_equal(s.echoed, 1000);
	assert_near(s.seconds, 2);
	assert_near(s.messages_s, 500);
	assert_near(s.bytes_s, 32000);
	assert_near(s.own_load, .25);
	assert_near(s.own_us, 500);
	assert_near(s.peer_load, .5);
	assert_near(s.peer_us, 1000);
	assert_false(s.limited);
	assert_true(s.clean);
}

static void
above_nine_tenths_of_a_core_the_tool_is_the_limit(void **state)
{
	(void)state;
	load.end.own_cpu_ns = load.begin.own_cpu_ns + 2 * S * 9 / 10;
	assert_false(summary_make(&load).limited);
	load.end.own_cpu_ns += S / 100;
	assert_true(summary_make(&load).limited);
}

static void
any_fault_is_not_clean(void **state)
{
	struct counts good = load.traffic.counts;

	(void)state;
	load.traffic.counts.sent++; /* lost */
	assert_false(summary_make(&load).clean);
	load.traffic.counts = good;
	load.traffic.counts.corrupted = 1;
	assert_false(summary_make(&load).clean);
	load.traffic.counts = good;
	load.traffic.counts.duplicated = 1;
	assert_false(summary_make(&load).clean);
	load.traffic.counts = (struct counts){0}; /* nothing is not clean either */
	assert_false(summary_make(&load).clean);
	load.traffic.counts = good;
	load.opener.failed = 1;
	assert_false(summary_make(&load).clean);
	load.opener.failed = 0;
	load.traffic.n_broken = 1;
	assert_false(summary_make(&load).clean);
	load.traffic.n_broken = 0;
	assert_true(summary_make(&load).clean);
}

static void
no_time_is_no_rate(void **state)
{
	struct summary s;

	(void)state;
	load.end = load.begin;
	s = summary_make(&load);
	assert_near(s.messages_s, 0);
	assert_near(s.own_us, 0);
	assert_false(s.limited);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(rates_are_those_of_the_measurement, setup),
	        cmocka_unit_test_setup(above_nine_tenths_of_a_core_the_tool_is_the_limit, setup),
	        cmocka_unit_test_setup(any_fault_is_not_clean, setup),
	        cmocka_unit_test_setup(no_time_is_no_rate, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
