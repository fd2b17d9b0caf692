#include "test.h"

#include "echod/tools/payload.h"

#include <stdlib.h>
#include <string.h>

static struct payload payload;
static unsigned char bytes[PAYLOAD_SPAN + PAYLOAD_PERIOD + 100];

static int
setup(void **state)
{
	(void)state;
	payload_init(&payload, 42);
	return 0;
}

static void
repeats_with_its_period(void **state)
{
	(void)state;
	for (uint64_t position = 0; position < PAYLOAD_PERIOD; position += 997) {
		const unsigned char *here = payload_at(&payload, position);

		assert_ptr_equal(here, payload_at(&payload, position + PAYLOAD_PERIOD));
		/* what may be read from the last position is the beginning again */
		assert_int_equal(here[PAYLOAD_PERIOD], here[0]);
		assert_int_equal(
		        here[PAYLOAD_SPAN - 1], *payload_at(&payload, position + PAYLOAD_SPAN - 1));
	}
}

static void
looks_different_from_every_other_place(void **state)
{
	(void)state;
	for (uint64_t shift = 1; shift < PAYLOAD_PERIOD; shift++)
		assert_memory_not_equal(payload_at(&payload, 0), payload_at(&payload, shift), 16);
}

static void
depends_on_the_seed_alone(void **state)
{
	struct payload *other = malloc(sizeof(*other));

	(void)state;
	assert_non_null(other);
	payload_init(other, 42);
	assert_memory_equal(other->bytes, payload.bytes, sizeof(payload.bytes));
	payload_init(other, 43);
	assert_memory_not_equal(other->bytes, payload.bytes, 16);
	free(other);
}

static void
copies_compare_equal(void **state)
{
	(void)state;
	for (uint64_t position = 0; position < 3 * PAYLOAD_PERIOD; position += 65519) {
		payload_copy(&payload, position, bytes, sizeof(bytes));
		assert_int_equal(
		        payload_compare(&payload, position, bytes, sizeof(bytes)), sizeof(bytes));
	}
	assert_int_equal(payload_compare(&payload, 0, bytes, 0), 0);
}

static void
the_first_difference_is_found(void **state)
{
	static const size_t places[] = {0, 1, 4095, PAYLOAD_PERIOD - 1, PAYLOAD_PERIOD,
	        PAYLOAD_SPAN - 1, PAYLOAD_SPAN, PAYLOAD_SPAN + 1, sizeof(bytes) - 1};

	(void)state;
	payload_copy(&payload, 7, bytes, sizeof(bytes));
	for (size_t i = ARRAY_SIZE(places); i-- > 0;) {
		bytes[places[i]] ^= 1; /* those behind are wrong as well */
		assert_int_equal(payload_compare(&payload, 7, bytes, sizeof(bytes)), places[i]);
	}
}

static void
keys_keep_both_parts(void **state)
{
	const uint64_t most_stream = (1u << 24) - 1, most_number = (UINT64_C(1) << 40) - 1;
	uint64_t key = payload_key(most_stream, most_number);

	(void)state;
	assert_int_equal(payload_key_stream(key), most_stream);
	assert_int_equal(payload_key_number(key), most_number);
	key = payload_key(5, most_number + 1 + 6); /* cut, not carried over */
	assert_int_equal(payload_key_stream(key), 5);
	assert_int_equal(payload_key_number(key), 6);
}

static void
keys_are_written_in_network_order(void **state)
{
	static const unsigned char wire[] = {0, 0, 1, 0, 0, 0, 2, 3};
	unsigned char key[PAYLOAD_KEY_SIZE];

	(void)state;
	payload_key_write(payload_key(1, 0x203), key);
	assert_memory_equal(key, wire, sizeof(wire));
	assert_int_equal(payload_key_read(wire), payload_key(1, 0x203));
}

static void
neighbours_come_from_different_places(void **state)
{
	(void)state;
	for (uint64_t number = 0; number < 1000; number++)
		assert_memory_not_equal(
		        payload_at(&payload, payload_position(payload_key(1, number))),
		        payload_at(&payload, payload_position(payload_key(1, number + 1))), 16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(repeats_with_its_period),
	        cmocka_unit_test(looks_different_from_every_other_place),
	        cmocka_unit_test(depends_on_the_seed_alone),
	        cmocka_unit_test(copies_compare_equal),
	        cmocka_unit_test(the_first_difference_is_found),
	        cmocka_unit_test(keys_keep_both_parts),
	        cmocka_unit_test(keys_are_written_in_network_order),
	        cmocka_unit_test(neighbours_come_from_different_places),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
