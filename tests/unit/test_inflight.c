#include "test.h"

#include "echod/tools/inflight.h"

#include <errno.h>
#include <stdlib.h>

enum { CAPACITY = 4 };

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool no_memory;

void *
__wrap_calloc(size_t count, size_t size)
{
	return no_memory ? NULL : __real_calloc(count, size);
}

static struct inflight inflight;

static int
setup(void **state)
{
	(void)state;
	return inflight_init(&inflight, CAPACITY);
}

static int
teardown(void **state)
{
	(void)state;
	inflight_release(&inflight);
	return 0;
}

static void
slots_in_turn_give_consecutive_numbers(void **state)
{
	(void)state;
	for (uint64_t number = 0; number < 5 * CAPACITY; number++) {
		size_t slot = number % CAPACITY;

		assert_int_equal(inflight_next(&inflight, slot), number);
		assert_int_equal(inflight_begin(&inflight, slot, 100 + number), number);
		assert_int_equal(inflight.pending, 1);
		assert_true(inflight_is_pending(&inflight, number));
		assert_int_equal(inflight_slot(&inflight, number)->started_ns, 100 + number);
		assert_int_equal(inflight_settle(&inflight, number), INFLIGHT_AWAITED);
		assert_int_equal(inflight.pending, 0);
		assert_false(inflight_is_pending(&inflight, number));
	}
}

static void
a_free_slot_never_waits_for_a_lost_one(void **state)
{
	(void)state;
	assert_int_equal(inflight_begin(&inflight, 0, 0), 0);
	for (uint64_t round = 0; round < 3; round++) {
		assert_int_equal(inflight_begin(&inflight, 1, 0), 1 + round * CAPACITY);
		assert_int_equal(
		        inflight_settle(&inflight, 1 + round * CAPACITY), INFLIGHT_AWAITED);
	}
	assert_true(inflight_is_pending(&inflight, 0));
	assert_int_equal(inflight_settle(&inflight, 0), INFLIGHT_AWAITED);
}

static void
what_comes_twice_is_duplicated(void **state)
{
	(void)state;
	inflight_begin(&inflight, 2, 0);
	assert_int_equal(inflight_settle(&inflight, 2), INFLIGHT_AWAITED);
	assert_int_equal(inflight_settle(&inflight, 2), INFLIGHT_DUPLICATED);
	inflight_begin(&inflight, 2, 0); /* also when the slot carries the next one */
	assert_int_equal(inflight_settle(&inflight, 2), INFLIGHT_DUPLICATED);
	assert_int_equal(inflight.pending, 1);
	assert_true(inflight_is_pending(&inflight, 2 + CAPACITY));
	assert_false(inflight_is_pending(&inflight, 2));
}

static void
what_was_given_up_is_late_once(void **state)
{
	(void)state;
	inflight_begin(&inflight, 3, 0);
	inflight_give_up(&inflight, 3);
	assert_int_equal(inflight.pending, 0);
	assert_int_equal(inflight_settle(&inflight, 3), INFLIGHT_LATE);
	assert_int_equal(inflight_settle(&inflight, 3), INFLIGHT_DUPLICATED);

	inflight_begin(&inflight, 1, 0);
	inflight_give_up(&inflight, 1);
	inflight_begin(&inflight, 1, 0);
	assert_int_equal(inflight_settle(&inflight, 1), INFLIGHT_LATE);
	assert_int_equal(inflight_settle(&inflight, 1), INFLIGHT_DUPLICATED);
	assert_true(inflight_is_pending(&inflight, 1 + CAPACITY));
}

static void
what_is_forgotten_is_late(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		inflight_begin(&inflight, 0, 0);
		inflight_settle(&inflight, (uint64_t)round * CAPACITY);
	}
	assert_int_equal(inflight_settle(&inflight, 0), INFLIGHT_LATE);
}

static void
what_was_never_sent_is_unknown(void **state)
{
	(void)state;
	assert_int_equal(inflight_settle(&inflight, 0), INFLIGHT_UNKNOWN);
	inflight_begin(&inflight, 0, 0);
	assert_int_equal(inflight_settle(&inflight, CAPACITY), INFLIGHT_UNKNOWN);
	assert_int_equal(inflight_settle(&inflight, UINT64_MAX), INFLIGHT_UNKNOWN);
	assert_int_equal(inflight.pending, 1);
}

static void
no_memory_is_an_error(void **state)
{
	struct inflight none;

	(void)state;
	no_memory = true;
	assert_int_equal(inflight_init(&none, CAPACITY), -ENOMEM);
	no_memory = false;
	inflight_release(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                slots_in_turn_give_consecutive_numbers, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                a_free_slot_never_waits_for_a_lost_one, setup, teardown),
	        cmocka_unit_test_setup_teardown(what_comes_twice_is_duplicated, setup, teardown),
	        cmocka_unit_test_setup_teardown(what_was_given_up_is_late_once, setup, teardown),
	        cmocka_unit_test_setup_teardown(what_is_forgotten_is_late, setup, teardown),
	        cmocka_unit_test_setup_teardown(what_was_never_sent_is_unknown, setup, teardown),
	        cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
