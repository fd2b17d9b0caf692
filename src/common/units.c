#include "echod/common/units.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct unit {
	char suffix[3];
	uint64_t factor;
};

static const struct unit count_units[] = {{"", 1}};
static const struct unit time_units[] = {
        {"ms", 1}, {"s", 1000}, {"m", UINT64_C(60) * 1000}, {"h", UINT64_C(3600) * 1000}};
static const struct unit size_units[] = {
        {"", 1}, {"K", UINT64_C(1) << 10}, {"M", UINT64_C(1) << 20}, {"G", UINT64_C(1) << 30}};

static int
parse_digits(const char *text, uint64_t *number, const char **end)
{
	const char *p = text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	/*@ loop invariant \subset(p, text + (0 .. strlen(text)));
	    loop invariant \forall integer i; 0 <= i < p - text ==> is_digit(text[i]);
	    loop invariant n == decimal(text, p - text);
	    loop assigns p, n;
	    loop variant strlen(text) - (p - text);
	*/
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (n > (UINT64_MAX - digit) / 10) {
			/*@ assert decimal(text, p - text + 1) > UINT64_MAX; */
			return -ERANGE;
		}
		n = n * 10 + digit;
	}
	*end = p;
	*number = n;
	return 0;
}

static int
multiply(uint64_t a, uint64_t b, uint64_t *product)
{
	if (a > UINT64_MAX / b)
		return -ERANGE;
	*product = a * b;
	return 0;
}

/*@ predicate is_in_unit(char *text, integer n, struct unit *unit, integer value) =
      begins_with_digits(text, n) && strcmp(text + n, &unit->suffix[0]) == 0 &&
      value == decimal(text, n) * unit->factor;
*/

static int
parse_with_unit(const char *text, const struct unit *units, size_t n_units, uint64_t *value)
{
	const char *suffix;
	uint64_t number;
	int error = parse_digits(text, &number, &suffix);

	if (error)
		return error;
	/*@ loop invariant 0 <= i <= n_units;
	    loop invariant \forall integer j; 0 <= j < i ==>
	      strcmp(suffix, &units[j].suffix[0]) != 0;
	    loop assigns i;
	    loop variant n_units - i;
	*/
	for (size_t i = 0; i < n_units; i++) {
		if (strcmp(suffix, units[i].suffix) != 0)
			continue;
		/*@ assert is_in_unit(text, suffix - text, &units[i], number * units[i].factor); */
		return multiply(number, units[i].factor, value);
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
	if (text[0] == '0' && text[1] == '\0') {
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
