#include "parts.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>

enum {
	N_ROUNDS = 20,
};

/* Merges some of the parts, in an order and in groups that are left to chance. */
static void
merge_some(struct result *sum, size_t *order, size_t n)
{
	size_t cut = n > 1 ? 1 + parts_random(n - 1) : 0;
	struct result *half;

	if (n == 1) {
		merge_part(sum, &parts[order[0]]);
		return;
	}
	half = calloc(1, sizeof(*half));
	assert_non_null(half);
	merge_some(sum, order, cut);
	merge_some(half, order + cut, n - cut);
	merge_part(sum, half);
	result_release(half);
	free(half);
}

static void
test_ten_parts_give_the_whole(void **state)
{
	size_t order[N_PARTS];

	(void)state;
	for (size_t i = 0; i < N_PARTS; i++)
		order[i] = i;
	for (size_t round = 0; round < N_ROUNDS; round++) {
		static struct result sum;

		for (size_t i = N_PARTS - 1; i > 0; i--) {
			size_t j = parts_random(i + 1), other = order[i];

			order[i] = order[j];
			order[j] = other;
		}
		merge_some(&sum, order, N_PARTS);
		assert_same_result(&sum, &whole);
		result_release(&sum);
	}
}

static void
test_other_runs_are_not_merged(void **state)
{
	char problem[128], *before = parts_json(&parts[0]), *after;
	static struct result other;

	(void)state;
	merge_part(&other, &parts[1]);
	other.depth++;
	assert_int_equal(result_merge(&parts[0], &other, problem, sizeof(problem)), -EINVAL);
	assert_string_equal(problem, "options.depth is not the same");
	other.depth--;
	result_set_text(&other.address, "192.0.2.2:50007");
	assert_int_equal(result_merge(&parts[0], &other, problem, sizeof(problem)), -EINVAL);
	assert_string_equal(problem, "target.address is not the same");
	result_set_text(&other.address, NULL);
	assert_int_equal(result_merge(&parts[0], &other, problem, sizeof(problem)), -EINVAL);
	after = parts_json(&parts[0]);
	assert_string_equal(before, after);
	free(before);
	free(after);
	result_release(&other);
}

static void
test_a_part_that_measured_nothing(void **state)
{
	static struct result sum, none;

	(void)state;
	parts_describe(&none, "d", NULL);
	merge_part(&sum, &none);
	merge_part(&sum, &parts[0]);
	assert_int_equal(sum.start_ns, parts[0].start_ns);
	assert_int_equal(sum.duration_ns, parts[0].duration_ns);
	merge_part(&sum, &none);
	assert_int_equal(sum.duration_ns, parts[0].duration_ns);
	assert_string_equal(sum.hostname, "c, d");
	result_release(&sum);
	result_release(&none);
}

static void
interval_ends(struct result *result, struct result_mark *mark, uint64_t passed_ns, uint64_t second,
        uint64_t messages)
{
	const struct result_interval *last;

	assert_true(result_has_more(result, mark));
	assert_int_equal(result_end_interval(result, mark, passed_ns), 0);
	assert_false(result_has_more(result, mark));
	last = &result->intervals[result->n_intervals - 1];
	assert_int_equal(last->time_s, 1795541885 + second);
	assert_int_equal(last->sent + last->echoed + last->lost, messages);
}

static void
test_intervals_end_second_by_second(void **state)
{
	static struct result result = {.start_ns = 1795541885 * S};
	static struct result_mark mark;

	(void)state;
	result.sent = 3;
	interval_ends(&result, &mark, S - 1, 0, 3);
	result.echoed = 2;
	histogram_record(&result.echo_ns, 1000, 2);
	interval_ends(&result, &mark, 2 * S + 1, 1, 2);
	result.lost = 1;
	interval_ends(&result, &mark, 9 * S, 8, 1); /* the process was stopped for some seconds */
	result.sent++;
	interval_ends(&result, &mark, 9 * S + S / 5, 9, 1); /* the rest, after the last */
	result_release(&result);
}

static void
test_verdicts(void **state)
{
	static const size_t faults[] = {offsetof(struct result, sent), /* lost */
	        offsetof(struct result, corrupted), offsetof(struct result, duplicated),
	        offsetof(struct result, failed), offsetof(struct result, broken),
	        offsetof(struct result, warmup_faults)};
	struct result good = {.sent = 5, .echoed = 5, .echoed_in_time = 4, .duration_ns = 2 * S};
	struct result r;

	(void)state;
	assert_true(result_is_clean(&good));
	assert_true(result_rate(&good) == 2);
	assert_false(result_is_limited(&good));
	good.tool_load = .91;
	assert_true(result_is_limited(&good));
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		r = good;
		++*(uint64_t *)((char *)&r + faults[i]);
		assert_false(result_is_clean(&r));
	}
	r = (struct result){0}; /* nothing is not clean either, and has no rate */
	assert_false(result_is_clean(&r));
	assert_true(result_rate(&r) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_ten_parts_give_the_whole),
	        cmocka_unit_test(test_other_runs_are_not_merged),
	        cmocka_unit_test(test_a_part_that_measured_nothing),
	        cmocka_unit_test(test_intervals_end_second_by_second),
	        cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests(tests, parts_setup, parts_teardown);
}
