#include "test.h"

#include "echod/common/units.h"

#include <errno.h>

struct sample {
	int (*parse)(const char *text, uint64_t *value);
	const char *text;
	int error;
	uint64_t value;
};

static const struct sample samples[] = {
        {units_parse_count, "0", 0, 0},
        {units_parse_count, "007", 0, 7},
        {units_parse_count, "18446744073709551615", 0, UINT64_MAX},
        {units_parse_count, "18446744073709551616", -ERANGE, 0},
        {units_parse_count, "99999999999999999999999", -ERANGE, 0},
        {units_parse_count, "", -EINVAL, 0},
        {units_parse_count, "-1", -EINVAL, 0},
        {units_parse_count, "+1", -EINVAL, 0},
        {units_parse_count, " 1", -EINVAL, 0},
        {units_parse_count, "1 ", -EINVAL, 0},
        {units_parse_count, "0x10", -EINVAL, 0},
        {units_parse_count, "1K", -EINVAL, 0},
        {units_parse_count, "1.0", -EINVAL, 0},
        {units_parse_time, "0", 0, 0},
        {units_parse_time, "0s", 0, 0},
        {units_parse_time, "500ms", 0, 500},
        {units_parse_time, "5s", 0, 5000},
        {units_parse_time, "2m", 0, 120000},
        {units_parse_time, "1h", 0, 3600000},
        {units_parse_time, "90", 0, 90000},
        {units_parse_time, "0.2", 0, 200},
        {units_parse_time, "1.5h", 0, 5400000},
        {units_parse_time, "0.25m", 0, 15000},
        {units_parse_time, "1.000s", 0, 1000},
        {units_parse_time, "0.3333333333333333", 0, 334}, /* rounded up */
        {units_parse_time, "0.1ms", 0, 1},
        {units_parse_time, "0.000000001", 0, 1},
        {units_parse_time, "0.0000000009", 0, 0}, /* nine digits count */
        {units_parse_time, "0.999999999ms", 0, 1},
        {units_parse_time, "5.", -EINVAL, 0},
        {units_parse_time, ".5", -EINVAL, 0},
        {units_parse_time, "1.5.5", -EINVAL, 0},
        {units_parse_time, "1.s", -EINVAL, 0},
        {units_parse_time, "1,5", -EINVAL, 0},
        {units_parse_time, "1e3", -EINVAL, 0},
        {units_parse_time, "s", -EINVAL, 0},
        {units_parse_time, "5S", -EINVAL, 0},
        {units_parse_time, "5sec", -EINVAL, 0},
        {units_parse_time, "18446744073709551614.1ms", 0, UINT64_MAX},
        {units_parse_time, "18446744073709551615.1ms", -ERANGE, 0},
        {units_parse_time, "18446744073709551616.1ms", -ERANGE, 0},
        {units_parse_time, "18446744073709551615s", -ERANGE, 0},
        {units_parse_time, "18446744073709552s", -ERANGE, 0},
        {units_parse_time, "18446744073709551s", 0, UINT64_C(18446744073709551000)},
        {units_parse_size, "4096", 0, 4096},
        {units_parse_size, "16K", 0, 16384},
        {units_parse_size, "256M", 0, UINT64_C(268435456)},
        {units_parse_size, "3G", 0, UINT64_C(3221225472)},
        {units_parse_size, "1.5K", -EINVAL, 0},
        {units_parse_size, "16k", -EINVAL, 0},
        {units_parse_size, "16KB", -EINVAL, 0},
        {units_parse_size, "K", -EINVAL, 0},
        {units_parse_size, "18014398509481984K", -ERANGE, 0},
};

static void
every_sample(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		uint64_t value = 42;

		print_message("%s\n", s->text);
		assert_int_equal(s->parse(s->text, &value), s->error);
		assert_int_equal(value, s->error ? 42 : s->value);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
