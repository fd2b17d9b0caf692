/* Any text as a count, a time and a size, beside arithmetic that has room for every result. */
#include "fuzz.h"

#include "echod/common/units.h"

#include <errno.h>

#define DIGITS  "0123456789"
#define BILLION UINT64_C(1000000000)

typedef int parser(const char *text, uint64_t *value);

/* Decimal, cut off where nothing more changes. */
static unsigned __int128
decimal(const char *digits)
{
	unsigned __int128 number = 0;

	for (; *digits >= '0' && *digits <= '9' && number <= UINT64_MAX; digits++)
		number = number * 10 + (unsigned)(*digits - '0');
	return number;
}

static uint64_t
factor_of(const char *unit, const char *const *units, const uint64_t *factors)
{
	for (size_t i = 0; units[i]; i++)
		if (strcmp(unit, units[i]) == 0)
			return factors[i];
	return 0;
}

/* The first nine digits after the point, in billionths. */
static uint64_t
billionths(const char *digits, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < 9; i++)
		sum = sum * 10 + (i < n ? (unsigned)(digits[i] - '0') : 0);
	return sum;
}

static void
expect(parser *parse, const char *text, const char *const *units, const uint64_t *factors)
{
	const uint64_t untouched = 0x5ca1ab1e;
	size_t n_digits = strspn(text, DIGITS), n_behind = 0;
	const char *unit = text + n_digits;
	unsigned __int128 number = decimal(text) * BILLION;
	uint64_t factor, value = untouched;
	int error = parse(text, &value);

	if (parse == units_parse_time && *unit == '.')
		n_behind = strspn(unit + 1, DIGITS);
	if (n_behind > 0) {
		number += billionths(unit + 1, n_behind);
		unit += 1 + n_behind;
	}
	factor = factor_of(unit, units, factors);
	number = (number * factor + BILLION - 1) / BILLION;
	if (n_digits > 0 && factor > 0 && number <= UINT64_MAX) {
		EXPECT(error == 0);
		EXPECT(value == number);
		return;
	}
	EXPECT(value == untouched);
	/* too large without a good unit is wrong in two ways, and either will do */
	EXPECT(error == -EINVAL || (error == -ERANGE && n_digits > 0));
	EXPECT(error == -ERANGE || n_digits == 0 || factor == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const none[] = {"", NULL}, *const sizes[] = {"", "K", "M", "G", NULL},
	                         *const times[] = {"", "ms", "s", "m", "h", NULL};
	static const uint64_t one[] = {1}, powers[] = {1, 1 << 10, 1 << 20, 1 << 30},
	                      durations[] = {1000, 1, 1000, 60000, 3600000};
	struct input input = {data, size};
	char *text = input_text(&input);

	expect(units_parse_count, text, none, one);
	expect(units_parse_size, text, sizes, powers);
	expect(units_parse_time, text, times, durations);
	free(text);
	return 0;
}
