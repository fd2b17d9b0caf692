#include "test.h"

#include "echod/client/tally.h"

#include <math.h>

static void
assert_near(double value, double expected)
{
	assert_true(fabs(value - expected) <= 1e-9 * (1 + fabs(expected)));
}

static void
times_are_summed_up(void **state)
{
	struct tally tally = {0};

	(void)state;
	assert_near(tally_deviation_ns(&tally), 0);
	tally_echo(&tally, 0, 3000);
	tally_echo(&tally, 1, 1000);
	tally_echo(&tally, 2, 2000);
	assert_int_equal(tally.echoed, 3);
	assert_int_equal(tally.min_ns, 1000);
	assert_int_equal(tally.max_ns, 3000);
	assert_near(tally.mean_ns, 2000);
	assert_near(tally_deviation_ns(&tally), sqrt(2. / 3) * 1000);
}

static void
what_was_overtaken_is_reordered(void **state)
{
	struct tally tally = {0};

	(void)state;
	assert_false(tally_echo(&tally, 0, 1));
	assert_false(tally_echo(&tally, 3, 1)); /* a gap is no reordering */
	assert_true(tally_echo(&tally, 1, 1));
	assert_true(tally_echo(&tally, 2, 1));
	assert_false(tally_echo(&tally, 4, 1));
	assert_int_equal(tally.reordered, 2);
}

static void
variation_is_that_of_successive_echoes(void **state)
{
	static const struct {
		uint64_t number, rtt_ns;
	} echoes[] = {{0, 1000}, {1, 1160}, {3, 1000}, {2, 1000}, {4, 1320}, {5, 1000}};
	struct tally tally = {0}, sum = {.jitter_ns = 11};

	(void)state;
	for (size_t i = 0; i < sizeof(echoes) / sizeof(echoes[0]); i++)
		tally_echo(&tally, echoes[i].number, echoes[i].rtt_ns);
	assert_int_equal(tally.ipdv_pairs, 2); /* 0 and 1, 4 and 5 */
	assert_int_equal(tally.ipdv_sum_ns, 160 + 320);
	/* 160, 160, 0, 320, 320 */
	assert_near(tally.jitter_ns,
	        ((((10. * 15 / 16 + 10) * 15 / 16) * 15 / 16 + 20) * 15 / 16) + 20);
	tally_add(&sum, &tally);
	assert_near(sum.jitter_ns, tally.jitter_ns);
	tally_add(&sum, &(struct tally){.jitter_ns = 1, .ipdv_pairs = 1, .ipdv_sum_ns = 5});
	assert_near(sum.jitter_ns, tally.jitter_ns);
	assert_int_equal(sum.ipdv_pairs, 3);
	assert_int_equal(sum.ipdv_sum_ns, 485);
}

static void
flows_add_up_to_what_one_would_have_counted(void **state)
{
	static struct tally parts[3];
	struct tally sum = {0}, one = {0};

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		uint64_t rtt_ns = 1000 + i * 7919 % 1000;

		tally_echo(&parts[i % 2 * 2], i, rtt_ns); /* the second has none */
		tally_echo(&one, i, rtt_ns);
	}
	for (uint64_t i = 0; i < 3; i++) {
		parts[i].sent = 100 + i;
		parts[i].lost = i;
		parts[i].late = 2 * i;
		parts[i].corrupted = 3 * i;
		parts[i].duplicated = 4 * i;
		parts[i].reordered = 5 * i;
		tally_add(&sum, &parts[i]);
	}
	assert_int_equal(sum.echoed, one.echoed);
	assert_int_equal(sum.min_ns, one.min_ns);
	assert_int_equal(sum.max_ns, one.max_ns);
	assert_near(sum.mean_ns, one.mean_ns);
	assert_near(tally_deviation_ns(&sum), tally_deviation_ns(&one));
	assert_int_equal(sum.sent, 303);
	assert_int_equal(sum.lost, 3);
	assert_int_equal(sum.late, 6);
	assert_int_equal(sum.corrupted, 9);
	assert_int_equal(sum.duplicated, 12);
	assert_int_equal(sum.reordered, 15);
}

static void
clean_is_all_back_once_and_unchanged(void **state)
{
	struct tally tally = {.sent = 2, .echoed = 2, .reordered = 1};

	(void)state;
	assert_true(tally_is_clean(&tally));
	tally.duplicated = 1;
	assert_false(tally_is_clean(&tally));
	tally = (struct tally){.sent = 2, .echoed = 2, .corrupted = 1};
	assert_false(tally_is_clean(&tally));
	tally = (struct tally){.sent = 2, .echoed = 1, .lost = 1};
	assert_false(tally_is_clean(&tally));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(times_are_summed_up),
	        cmocka_unit_test(what_was_overtaken_is_reordered),
	        cmocka_unit_test(variation_is_that_of_successive_echoes),
	        cmocka_unit_test(flows_add_up_to_what_one_would_have_counted),
	        cmocka_unit_test(clean_is_all_back_once_and_unchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
