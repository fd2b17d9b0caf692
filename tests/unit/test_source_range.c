#include "test.h"

#include "echod/bench/source_range.h"

#include <errno.h>
#include <string.h>

struct sample {
	const char *text;
	uint64_t count;
	const char *first, *last;
};

static const struct sample samples[] = {
        {"127.0.0.5", 1, "127.0.0.5:0", "127.0.0.5:0"},
        {"127.0.0.0/16", 65534, "127.0.0.1:0", "127.0.255.254:0"},
        {"10.1.2.3/24", 254, "10.1.2.1:0", "10.1.2.254:0"},
        {"10.1.2.3/30", 2, "10.1.2.1:0", "10.1.2.2:0"},
        {"10.1.2.2/31", 2, "10.1.2.2:0", "10.1.2.3:0"},
        {"10.1.2.3/32", 1, "10.1.2.3:0", "10.1.2.3:0"},
        {"0.0.0.0/0", (UINT64_C(1) << 32) - 2, "0.0.0.1:0", "255.255.255.254:0"},
        {"127.0.0.250-127.0.1.5", 12, "127.0.0.250:0", "127.0.1.5:0"},
        {"127.0.0.1-127.0.0.1", 1, "127.0.0.1:0", "127.0.0.1:0"},
        {"fd00::/112", 65536, "[fd00::]:0", "[fd00::ffff]:0"},
        {"fd00::ff-fd00::101", 3, "[fd00::ff]:0", "[fd00::101]:0"},
        {"fd00::7/128", 1, "[fd00::7]:0", "[fd00::7]:0"},
};

static const char *const wrong[] = {"", "x", "localhost", "127.0.0.1/", "127.0.0.1/33",
        "127.0.0.1/-1", "127.0.0.1/x", "127.0.0.1-", "127.0.0.9-127.0.0.1", "127.0.0.1-::1",
        "127.0.0.1:7", "fd00::/95", "fd00::/129", "fd00::-fd01::", "fd00::-fd00::1:0:0",
        "127.0.0.1-127.0.0.9-127.0.0.10"};

static void
assert_address(const struct source_range *range, uint64_t index, const char *expected)
{
	struct address address = source_range_at(range, index);
	char text[ADDRESS_TEXT_SIZE];

	assert_string_equal(address_format(&address, text, sizeof(text)), expected);
}

static void
every_sample(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		struct source_range range;

		print_message("%s\n", s->text);
		assert_int_equal(source_range_parse(s->text, &range), 0);
		assert_int_equal(range.count, s->count);
		assert_address(&range, 0, s->first);
		assert_address(&range, s->count - 1, s->last);
		assert_address(&range, s->count, s->first);
	}
}

static void
what_is_none_changes_nothing(void **state)
{
	char long_text[2 * ADDRESS_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct source_range range = {.count = 42};

		print_message("%s\n", wrong[i]);
		assert_int_equal(source_range_parse(wrong[i], &range), -EINVAL);
		assert_int_equal(range.count, 42);
	}
	memset(long_text, '1', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_int_equal(source_range_parse(long_text, &(struct source_range){0}), -EINVAL);
}

static void
nothing_given_is_any_address(void **state)
{
	struct source_range range = {0};

	(void)state;
	assert_int_equal(source_range_at(&range, 12345).length, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_sample),
	        cmocka_unit_test(what_is_none_changes_nothing),
	        cmocka_unit_test(nothing_given_is_any_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
