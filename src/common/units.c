#include "echod/common/units.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define BILLION UINT64_C(1000000000)

struct unit {
	char suffix[3];
	uint32_t factor;
};

static const struct unit count_units[] = {{"", 1}};
static const struct unit time_units[] = {
        {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};
static const struct unit size_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};

/*@ predicate is_called(char *suffix, struct unit *unit) = strcmp(suffix, &unit->suffix[0]) == 0;

    // n digits and a unit
    predicate is_whole(char *text, integer n, struct unit *unit, integer value) =
      begins_with_digits(text, n) && is_called(text + n, unit) &&
      value == scaled(decimal(text, n), 0, unit->factor);

    // a decimal number: n digits, a point and f digits, or no point and f == 0
    predicate is_decimal(char *text, integer n, integer f) = begins_with_digits(text, n) &&
      (f == 0 ? text[n] != '.' : text[n] == '.' && begins_with_digits(text + n + 1, f));

    predicate is_time(char *text, integer n, integer f, struct unit *unit, integer value) =
      is_decimal(text, n, f) && is_called(text + decimal_length(n, f), unit) &&
      value == scaled(decimal(text, n), decimal_part(text, n, f), unit->factor);
*/

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

/* Digits after a decimal point; those after the ninth do not count. */
static int
parse_fraction(const char *text, uint64_t *billionths, const char **end)
{
	const char *p = text;
	uint64_t n = 0, place = BILLION / 10;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	/*@ loop invariant \subset(p, text + (0 .. strlen(text)));
	    loop invariant \forall integer i; 0 <= i < p - text ==> is_digit(text[i]);
	    loop invariant place == place_value(p - text);
	    loop invariant n == fraction(text, p - text);
	    loop invariant 0 <= n && 0 <= place && n + 10 * place <= 1000000000;
	    loop assigns p, n, place;
	    loop variant strlen(text) - (p - text);
	*/
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		/*@ assert digit == text[p - text] - '0' && 0 <= digit <= 9; */
		/*@ assert 0 <= digit * place <= 9 * place; */
		/*@ assert fraction(text, p - text + 1) ==
		      fraction(text, p - text) + digit * place_value(p - text); */
		/*@ assert fraction(text, p - text + 1) == n + digit * place; */
		n += digit * place;
		place /= 10;
	}
	*end = p;
	*billionths = n;
	return 0;
}

static int
parse_decimal(const char *text, uint64_t *whole, uint64_t *billionths, const char **end)
{
	const char *point = text;
	int error = parse_digits(text, whole, &point);

	*billionths = 0;
	*end = point;
	if (error)
		return error;
	/*@ assert \forall integer n; begins_with_digits(text, n) ==> n == point - text; */
	/*@ assert *point != '.' ==> is_decimal(text, point - text, 0); */
	if (*point == '.')
		error = parse_fraction(point + 1, billionths, end);
	/*@ assert error == 0 && *point == '.' ==>
	      is_decimal(text, point - text, *end - (point + 1)) &&
	      *billionths == decimal_part(text, point - text, *end - (point + 1)); */
	/*@ assert error != 0 ==> !is_digit(point[1]) &&
	      \forall integer f; !begins_with_digits(point + 1, f); */
	return error;
}

/* The whole number and the billionths, in the unit of the factor; rounded up. */
static int
scale(uint64_t whole, uint64_t billionths, uint32_t factor, uint64_t *value)
{
	uint64_t part = (billionths * factor + BILLION - 1) / BILLION;

	if (whole > (UINT64_MAX - part) / factor)
		return -ERANGE;
	*value = whole * factor + part;
	return 0;
}

static int
apply_unit(uint64_t whole, uint64_t billionths, const char *suffix, const struct unit *units,
        size_t n_units, uint64_t *value)
{
	/*@ loop invariant 0 <= i <= n_units;
	    loop invariant \forall integer j; 0 <= j < i ==>
	      strcmp(suffix, &units[j].suffix[0]) != 0;
	    loop assigns i;
	    loop variant n_units - i;
	*/
	for (size_t i = 0; i < n_units; i++)
		if (strcmp(suffix, units[i].suffix) == 0)
			return scale(whole, billionths, units[i].factor, value);
	return -EINVAL;
}

static int
parse_whole(const char *text, const struct unit *units, size_t n_units, uint64_t *value)
{
	const char *end;
	uint64_t whole;
	int error = parse_digits(text, &whole, &end);

	if (error)
		return error;
	/*@ assert \forall integer i; 0 <= i < n_units && is_called(end, &units[i]) ==>
	      is_whole(text, end - text, &units[i], scaled(whole, 0, units[i].factor)); */
	return apply_unit(whole, 0, end, units, n_units, value);
}

int
units_parse_count(const char *text, uint64_t *count)
{
	return parse_whole(text, count_units, 1, count);
}

int
units_parse_time(const char *text, uint64_t *time_ms)
{
	const char *end;
	uint64_t whole, billionths;
	int error = parse_decimal(text, &whole, &billionths, &end);

	if (error)
		return error;
	/*@ assert \exists integer n, f; is_decimal(text, n, f) && \forall integer i;
	      0 <= i < 5 && is_called(end, &time_units[i]) ==> is_time(text, n, f,
	        &time_units[i], scaled(whole, billionths, time_units[i].factor)); */
	return apply_unit(whole, billionths, end, time_units, 5, time_ms);
}

int
units_parse_size(const char *text, uint64_t *size_bytes)
{
	return parse_whole(text, size_units, 4, size_bytes);
}
