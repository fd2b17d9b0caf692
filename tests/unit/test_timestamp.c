#include "test.h"

#include "echod/tools/timestamp.h"

#include <errno.h>
#include <string.h>

#define S UINT64_C(1000000000)

static void
test_moments(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
	        {"1970-01-01T00:00:00Z", 0},
	        {"2026-11-24T17:38:05Z", 1795541885 * S},
	        {"2026-11-24t17:38:05.25z", 1795541885 * S + S / 4},
	        {"2026-11-24 18:38:05+01:00", 1795541885 * S},
	        {"2026-11-24T16:08:05.000000001-01:30", 1795541885 * S + 1},
	        {"2024-02-29T00:00:00Z", 1709164800 * S},
	        {"1795541885", 1795541885 * S},
	        {"1795541885.5", 1795541885 * S + S / 2},
	        {"0.0000000019", 1},
	};
	static const char *const bad[] = {"", "x", "-1", "1.", ".5", "1e3", "1 ", "2026-11-24",
	        "2026-11-24T", "2026-11-24T17:38:05", "2026-11-24T17:38:05X",
	        "2026-11-24T17:38:05.Z", "2026-11-24X17:38:05Z", "2026-02-30T00:00:00Z",
	        "2026-13-01T00:00:00Z", "2026-11-24T25:00:00Z", "2026-11-24T17:38:05+1:00",
	        "2026-11-24T17:38:05+01", "2026-11-24T17:38:05+24:00", "2026-11-24T17:38:05+01:60",
	        "2026-11-24T17:38:05+01:-1", "2026-11-24T17:38:05+01:00x",
	        "2026-11-24T17:38:05+x1:00", "2026-11-24T 17:38:05Z", "1969-12-31T23:59:59Z",
	        "1970-01-01T00:00:00+01:00", "99999999999999999999"};
	uint64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(timestamp_parse(good[i].text, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	ns = 7;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(timestamp_parse(bad[i], &ns), -EINVAL);
		assert_int_equal(ns, 7);
	}
}

static void
test_what_is_written_is_read(void **state)
{
	char text[TIMESTAMP_TEXT_SIZE];
	uint64_t now_ns = timestamp_now_ns(), ns;

	(void)state;
	assert_string_equal(timestamp_format(1795541885 * S + 123456789, text),
	        "2026-11-24T17:38:05.123456789Z");
	assert_int_equal(timestamp_parse(timestamp_format(now_ns, text), &ns), 0);
	assert_int_equal(ns, now_ns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_moments),
	        cmocka_unit_test(test_what_is_written_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
