#include "test.h"

#include "echod/common/clock.h"
#include "echod/stat/figures.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define UNKNOWN ((double)NAN) /* in <math.h> it is a float */

static struct reader_source source;

/* An answer in which every figure comes to a value of its own. */
static void
answer(unsigned times)
{
	source.error = 0;
	snprintf(source.text, sizeof(source.text),
	        "echod_connections %u\n"
	        "echod_connections_accepted_total %u\n"
	        "echod_received_bytes_total{protocol=\"tcp\"} %u\n"
	        "echod_received_bytes_total{protocol=\"udp\"} %u\n"
	        "echod_sent_bytes_total{protocol=\"tcp\"} %u\n"
	        "echod_datagrams_received_total %u\n"
	        "echod_connections_refused_total{reason=\"source\"} %u\n"
	        "echod_datagrams_refused_total{reason=\"port\"} %u\n"
	        "echod_kernel_drops_total %u\n"
	        "echod_replies_failed_total{reason=\"again\"} %u\n",
	        times, 20 * times, 30 * times, 300 * times, 40 * times, 50 * times, 60 * times,
	        600 * times, 70 * times, 700 * times);
}

static void
assert_figures(const double figures[FIGURES], const double expected[FIGURES])
{
	for (size_t i = 0; i < FIGURES; i++) {
		if (isnan(expected[i]))
			assert_true(isnan(figures[i]));
		else
			assert_true(fabs(figures[i] - expected[i]) < 1e-9);
	}
}

static void
rates_are_over_the_time_since_the_last_answer(void **state)
{
	const double first[] = {1, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN};
	const double later[] = {5, 40, 660, 80, 100, 1320, 1540};
	struct figures_past past = {0};
	double figures[FIGURES];

	(void)state;
	answer(1);
	figures_update(&past, &source, 10 * NS_PER_S, figures);
	assert_figures(figures, first);
	answer(5);
	figures_update(&past, &source, 12 * NS_PER_S, figures);
	assert_figures(figures, later);
}

static void
of_a_daemon_that_is_silent_nothing_is_known(void **state)
{
	const double none[] = {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN};
	const double later[] = {5, 20, 330, 40, 50, 660, 770};
	struct figures_past past = {0};
	double figures[FIGURES];

	(void)state;
	source.error = -ENOENT;
	figures_update(&past, &source, 9 * NS_PER_S, figures);
	assert_figures(figures, none);
	answer(1);
	figures_update(&past, &source, 10 * NS_PER_S, figures);
	source.error = -ETIMEDOUT;
	source.text[0] = '\0';
	figures_update(&past, &source, 12 * NS_PER_S, figures);
	assert_figures(figures, none);
	answer(5);
	figures_update(&past, &source, 14 * NS_PER_S, figures);
	assert_figures(figures, later);
}

static void
a_daemon_that_started_anew_counts_from_zero(void **state)
{
	const double anew[] = {2, 40, 660, 80, 100, 1320, 1540};
	struct figures_past past = {0};
	double figures[FIGURES];

	(void)state;
	answer(1000);
	figures_update(&past, &source, 10 * NS_PER_S, figures);
	answer(2);
	figures_update(&past, &source, 11 * NS_PER_S, figures);
	assert_figures(figures, anew);
}

static void
sums_leave_out_what_is_not_known(void **state)
{
	const double one[] = {1, 2, 3, 4, 5, 6, 7},
	             none[] = {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN};
	const double some[] = {10, UNKNOWN, 30, UNKNOWN, 50, UNKNOWN, 70};
	const double all[] = {11, 2, 33, 4, 55, 6, 77};
	double sum[FIGURES] = {0};

	(void)state;
	figures_add(sum, one);
	figures_add(sum, none);
	figures_add(sum, some);
	assert_figures(sum, all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(rates_are_over_the_time_since_the_last_answer),
	        cmocka_unit_test(of_a_daemon_that_is_silent_nothing_is_known),
	        cmocka_unit_test(a_daemon_that_started_anew_counts_from_zero),
	        cmocka_unit_test(sums_leave_out_what_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
