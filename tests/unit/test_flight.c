#include "test.h"

#include "echod/flight.h"

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

static struct flight flight;

static int
setup(void **state)
{
	(void)state;
	return flight_init(&flight, CAPACITY);
}

static int
teardown(void **state)
{
	(void)state;
	flight_release(&flight);
	return 0;
}

static void
slots_in_turn_give_consecutive_numbers(void **state)
{
	(void)state;
	for (uint64_t number = 0; number < 5 * CAPACITY; number++) {
		size_t slot = number % CAPACITY;

		assert_int_equal(flight_next(&flight, slot), number);
		assert_int_equal(flight_begin(&flight, slot, 100 + number), number);
		assert_int_equal(flight.pending, 1);
		assert_true(flight_is_pending(&flight, number));
		assert_int_equal(flight_slot(&flight, number)->started_ns, 100 + number);
		assert_int_equal(flight_settle(&flight, number), FLIGHT_AWAITED);
		assert_int_equal(flight.pending, 0);
		assert_false(flight_is_pending(&flight, number));
	}
}

static void
a_free_slot_never_waits_for_a_lost_one(void **state)
{
	(void)state;
	assert_int_equal(flight_begin(&flight, 0, 0), 0);
	for (uint64_t round = 0; round < 3; round++) {
		assert_int_equal(flight_begin(&flight, 1, 0), 1 + round * CAPACITY);
		assert_int_equal(flight_settle(&flight, 1 + round * CAPACITY), FLIGHT_AWAITED);
	}
	assert_true(flight_is_pending(&flight, 0));
	assert_int_equal(flight_settle(&flight, 0), FLIGHT_AWAITED);
}

static void
what_comes_twice_is_duplicated(void **state)
{
	(void)state;
	flight_begin(&flight, 2, 0);
	assert_int_equal(flight_settle(&flight, 2), FLIGHT_AWAITED);
	assert_int_equal(flight_settle(&flight, 2), FLIGHT_DUPLICATED);
	flight_begin(&flight, 2, 0); /* also when the slot carries the next one */
	assert_int_equal(flight_settle(&flight, 2), FLIGHT_DUPLICATED);
	assert_int_equal(flight.pending, 1);
	assert_true(flight_is_pending(&flight, 2 + CAPACITY));
	assert_false(flight_is_pending(&flight, 2));
}

static void
what_was_given_up_is_late_once(void **state)
{
	(void)state;
	flight_begin(&flight, 3, 0);
	flight_give_up(&flight, 3);
	assert_int_equal(flight.pending, 0);
	assert_int_equal(flight_settle(&flight, 3), FLIGHT_LATE);
	assert_int_equal(flight_settle(&flight, 3), FLIGHT_DUPLICATED);

	flight_begin(&flight, 1, 0);
	flight_give_up(&flight, 1);
	flight_begin(&flight, 1, 0);
	assert_int_equal(flight_settle(&flight, 1), FLIGHT_LATE);
	assert_int_equal(flight_settle(&flight, 1), FLIGHT_DUPLICATED);
	assert_true(flight_is_pending(&flight, 1 + CAPACITY));
}

static void
what_is_forgotten_is_late(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		flight_begin(&flight, 0, 0);
		flight_settle(&flight, (uint64_t)round * CAPACITY);
	}
	assert_int_equal(flight_settle(&flight, 0), FLIGHT_LATE);
}

static void
what_was_never_sent_is_unknown(void **state)
{
	(void)state;
	assert_int_equal(flight_settle(&flight, 0), FLIGHT_UNKNOWN);
	flight_begin(&flight, 0, 0);
	assert_int_equal(flight_settle(&flight, CAPACITY), FLIGHT_UNKNOWN);
	assert_int_equal(flight_settle(&flight, UINT64_MAX), FLIGHT_UNKNOWN);
	assert_int_equal(flight.pending, 1);
}

static void
no_memory_is_an_error(void **state)
{
	struct flight none;

	(void)state;
	no_memory = true;
	assert_int_equal(flight_init(&none, CAPACITY), -ENOMEM);
	no_memory = false;
	flight_release(&none);
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
