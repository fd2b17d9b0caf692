/* Any text as a count, a time and a size, beside arithmetic that has room for every result. */
#include "fuzz.h"

#include "echod/common/units.h"

#include <errno.h>

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

static void
expect(parser *parse, const char *text, const char *const *units, const uint64_t *factors)
{
	const uint64_t untouched = 0x5ca1ab1e;
	size_t n_digits = strspn(text, "0123456789");
	unsigned __int128 number = decimal(text);
	uint64_t factor = factor_of(text + n_digits, units, factors), value = untouched;
	int error = parse(text, &value);

	if (n_digits > 0 && factor > 0 && number * factor <= UINT64_MAX) {
		EXPECT(error == 0);
		EXPECT(value == number * factor);
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
	                         *const times[] = {"ms", "s", "m", "h", NULL};
	static const uint64_t one[] = {1}, powers[] = {1, 1 << 10, 1 << 20, 1 << 30},
	                      durations[] = {1, 1000, 60000, 3600000};
	struct input input = {data, size};
	char *text = input_text(&input);
	uint64_t value;

	expect(units_parse_count, text, none, one);
	expect(units_parse_size, text, sizes, powers);
	if (strcmp(text, "0") == 0)
		EXPECT(units_parse_time(text, &value) == 0 && value == 0);
	else
		expect(units_parse_time, text, times, durations);
	free(text);
	return 0;
}
