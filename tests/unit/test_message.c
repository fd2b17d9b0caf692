#include "test.h"

#include "echod/client/message.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE = 3000 };

static struct message *
make(const char *text, size_t size)
{
	struct message *message = malloc(sizeof(*message));

	assert_non_null(message);
	message_init(message, text, size, 99);
	return message;
}

static void
a_text_is_what_was_given(void **state)
{
	struct message *message = make("Hello, world", 12);
	char bytes[12];

	(void)state;
	assert_false(message_is_numbered(message));
	message_copy(message, message_key(message, 0, 1), 0, bytes, 12);
	assert_memory_equal(bytes, "Hello, world", 12);
	message_copy(message, message_key(message, 3, 7), 7, bytes, 5);
	assert_memory_equal(bytes, "world", 5);
	free(message);
}

static void
a_pattern_starts_with_its_key(void **state)
{
	struct message *message = make(NULL, SIZE);
	uint64_t key = message_key(message, 2, 5);
	unsigned char bytes[SIZE];

	(void)state;
	assert_true(message_is_numbered(message));
	assert_int_equal(payload_key_number(key), 5);
	assert_int_equal(payload_key_stream(key), 99 + 2);
	message_copy(message, key, 0, bytes, SIZE);
	assert_int_equal(payload_key_read(bytes), key);
	free(message);
}

static void
pieces_make_up_the_whole(void **state)
{
	static const size_t pieces[] = {1, 3, 7, 8, 9, 1000};
	struct message *message = make(NULL, SIZE);
	uint64_t key = message_key(message, 0, 0);
	unsigned char whole[SIZE], together[SIZE];

	(void)state;
	message_copy(message, key, 0, whole, SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		memset(together, 0, SIZE);
		for (size_t at = 0, n; at < SIZE; at += n) {
			n = SIZE - at < pieces[i] ? SIZE - at : pieces[i];
			message_copy(message, key, at, together + at, n);
		}
		assert_memory_equal(together, whole, SIZE);
	}
	free(message);
}

static void
exchanges_and_flows_differ(void **state)
{
	struct message *message = make(NULL, SIZE);
	unsigned char one[SIZE], other[SIZE];

	(void)state;
	message_copy(message, message_key(message, 0, 0), 0, one, SIZE);
	message_copy(message, message_key(message, 0, 1), 0, other, SIZE);
	assert_memory_not_equal(one + PAYLOAD_KEY_SIZE, other + PAYLOAD_KEY_SIZE, 16);
	message_copy(message, message_key(message, 1, 0), 0, other, SIZE);
	assert_memory_not_equal(one + PAYLOAD_KEY_SIZE, other + PAYLOAD_KEY_SIZE, 16);
	free(message);
}

static void
a_short_pattern_has_no_number(void **state)
{
	struct message *message = make(NULL, PAYLOAD_KEY_SIZE - 1);
	unsigned char one[PAYLOAD_KEY_SIZE - 1], other[PAYLOAD_KEY_SIZE - 1];

	(void)state;
	assert_false(message_is_numbered(message));
	message_copy(message, message_key(message, 0, 0), 0, one, sizeof(one));
	message_copy(message, message_key(message, 1, 1), 0, other, sizeof(other));
	assert_memory_equal(one, other, sizeof(one));
	free(message);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_text_is_what_was_given),
	        cmocka_unit_test(a_pattern_starts_with_its_key),
	        cmocka_unit_test(pieces_make_up_the_whole),
	        cmocka_unit_test(exchanges_and_flows_differ),
	        cmocka_unit_test(a_short_pattern_has_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
