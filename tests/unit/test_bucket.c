#include "test.h"

#include "echod/bucket.h"
#include "echod/common/clock.h"

static void
burst_then_rate(void **state)
{
	struct bucket_rule rule = bucket_rule(10, 20);
	struct bucket bucket = {0};
	uint64_t now = 5 * NS_PER_S;
	int taken = 0;

	(void)state;
	while (bucket_take(&bucket, &rule, now, 1))
		taken++;
	assert_int_equal(taken, 20);
	assert_int_equal(bucket_wait_ns(&bucket, &rule, now), NS_PER_S / 10);
	assert_false(bucket_take(&bucket, &rule, now + NS_PER_S / 10 - 1, 1));
	assert_true(bucket_take(&bucket, &rule, now + NS_PER_S / 10, 1));
	assert_false(bucket_take(&bucket, &rule, now + NS_PER_S / 10, 1));
	/* however long it rests, it holds no more than a burst */
	now += 1000 * NS_PER_S;
	for (taken = 0; bucket_take(&bucket, &rule, now, 1);)
		taken++;
	assert_int_equal(taken, 20);
}

static void
takes_all_or_none(void **state)
{
	struct bucket_rule rule = bucket_rule(1, 5);
	struct bucket bucket = {0}, before;

	(void)state;
	assert_true(bucket_take(&bucket, &rule, 0, 3));
	before = bucket;
	assert_false(bucket_take(&bucket, &rule, 0, 3));
	assert_int_equal(bucket.full_at_ns, before.full_at_ns);
	assert_true(bucket_take(&bucket, &rule, 0, 2));
	assert_false(bucket_take(&bucket, &rule, 0, 6));
	assert_false(bucket_take(&bucket, &rule, 1000 * NS_PER_S, 6));
}

static void
no_rate_is_no_limit(void **state)
{
	struct bucket_rule rule = bucket_rule(0, 0);
	struct bucket bucket = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(bucket_take(&bucket, &rule, 0, UINT32_MAX));
	assert_int_equal(bucket_wait_ns(&bucket, &rule, 0), 0);
}

static void
a_long_run_keeps_the_rate(void **state)
{
	struct bucket_rule rule = bucket_rule(1000, 1);
	struct bucket bucket = {0};
	int taken = 0;

	(void)state;
	for (uint64_t now = 0; now < NS_PER_S; now += 7777)
		taken += bucket_take(&bucket, &rule, now, 1);
	/* a token can be taken only when asked for: each waits up to 7777 ns too long */
	assert_in_range(taken, 992, 1000);
}

static void
fastest_rate_does_not_divide_away(void **state)
{
	struct bucket_rule rule = bucket_rule(1000000000, 1);
	struct bucket bucket = {0};

	(void)state;
	assert_int_equal(rule.token_ns, 1);
	assert_true(bucket_take(&bucket, &rule, 10, 1));
	assert_false(bucket_take(&bucket, &rule, 10, 1));
	assert_true(bucket_take(&bucket, &rule, 11, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(burst_then_rate),
	        cmocka_unit_test(takes_all_or_none),
	        cmocka_unit_test(no_rate_is_no_limit),
	        cmocka_unit_test(a_long_run_keeps_the_rate),
	        cmocka_unit_test(fastest_rate_does_not_divide_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
