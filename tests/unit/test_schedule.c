#include "test.h"

#include "echod/bench/schedule.h"

#define S UINT64_C(1000000000)

static void
messages_are_evenly_apart(void **state)
{
	struct schedule schedule = {.start_ns = 5 * S, .rate = 4};

	(void)state;
	assert_int_equal(schedule_due_ns(&schedule, 0), 5 * S);
	assert_int_equal(schedule_due_ns(&schedule, 1), 5 * S + S / 4);
	assert_int_equal(schedule_due_ns(&schedule, 9), 7 * S + S / 4);
	assert_int_equal(schedule_count(&schedule, 5 * S - 1), 0);
	assert_int_equal(schedule_count(&schedule, 5 * S), 1);
	assert_int_equal(schedule_count(&schedule, 5 * S + S / 4 - 1), 1);
	assert_int_equal(schedule_count(&schedule, 5 * S + S / 4), 2);
}

static void
both_directions_agree(void **state)
{
	static const uint64_t rates[] = {1, 3, 7, 1000, 99991, 1000000, 99999989, 100000000};
	static const uint64_t messages[] = {1, 2, 3, 999, 123457, UINT64_C(8640000000001)};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct schedule schedule = {.start_ns = 77 * S + 1, .rate = rates[i]};

		for (size_t j = 0; j < ARRAY_SIZE(messages); j++) {
			uint64_t k = messages[j], due_ns;

			if (k / rates[i] > 86400) /* no run is longer than a day */
				continue;
			due_ns = schedule_due_ns(&schedule, k);
			assert_int_equal(schedule_count(&schedule, due_ns), k + 1);
			assert_int_equal(schedule_count(&schedule, due_ns - 1), k);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(messages_are_evenly_apart),
	        cmocka_unit_test(both_directions_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
