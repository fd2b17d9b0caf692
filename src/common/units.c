#include "echod/units.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit count_units[] = {{"", 1}};
static const struct unit time_units[] = {
        {"ms", 1}, {"s", 1000}, {"m", UINT64_C(60) * 1000}, {"h", UINT64_C(3600) * 1000}};
static const struct unit size_units[] = {
        {"", 1}, {"K", UINT64_C(1) << 10}, {"M", UINT64_C(1) << 20}, {"G", UINT64_C(1) << 30}};

static int
parse_digits(const char **text, uint64_t *number)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		n = n * 10 + digit;
	}
	*text = p;
	*number = n;
	return 0;
}

static int
parse_with_unit(const char *text, const struct unit *units, size_t n_units, uint64_t *value)
{
	uint64_t number;
	int error = parse_digits(&text, &number);

	if (error)
		return error;
	for (size_t i = 0; i < n_units; i++) {
		if (strcmp(text, units[i].suffix) != 0)
			continue;
		if (number > UINT64_MAX / units[i].factor)
			return -ERANGE;
		*value = number * units[i].factor;
		return 0;
	}
	return -EINVAL;
}

int
units_parse_count(const char *text, uint64_t *count)
{
	return parse_with_unit(text, count_units, 1, count);
}

int
units_parse_time(const char *text, uint64_t *time_ms)
{
	if (strcmp(text, "0") == 0) {
		*time_ms = 0;
		return 0;
	}
	return parse_with_unit(text, time_units, 4, time_ms);
}

int
units_parse_size(const char *text, uint64_t *size_bytes)
{
	return parse_with_unit(text, size_units, 4, size_bytes);
}
