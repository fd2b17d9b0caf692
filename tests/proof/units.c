/*
 * What is proven of src/common/units.c: the number is what the text says, or there is an error.
 */
#include "echod/common/units.h"

#include <errno.h>
#include <string.h>

/*@ predicate is_digit(char c) = '0' <= c <= '9';

    logic integer decimal(char *text, integer n) =
      n <= 0 ? 0 : decimal(text, n - 1) * 10 + (text[n - 1] - '0');

    predicate digits_exceed(char *text) = \exists integer n; 0 < n &&
      (\forall integer i; 0 <= i < n ==> is_digit(text[i])) && decimal(text, n) > UINT64_MAX;

    predicate begins_with_digits(char *text, integer n) =
      n > 0 && (\forall integer i; 0 <= i < n ==> is_digit(text[i])) && !is_digit(text[n]);
*/

/*@ lemma one_end: \forall char *text, integer n, m;
      begins_with_digits(text, n) && begins_with_digits(text, m) ==> n == m;
*/

/*@ requires valid_read_string(text) && \valid(number) && \valid(end);
    requires \separated(number, end, text + (0 .. strlen(text)));
    terminates \true;
    assigns *number, \result \from text[0 ..];
    assigns *end \from text, text[0 ..];
    behavior none:
      assumes !is_digit(text[0]);
      ensures \result == -EINVAL;
    behavior some:
      assumes is_digit(text[0]);
      ensures \result == 0 || \result == -ERANGE;
      ensures \result == 0 ==> \subset(*end, text + (1 .. strlen(text))) &&
        begins_with_digits(text, *end - text) && *number == decimal(text, *end - text);
      ensures \result == -ERANGE ==> digits_exceed(text);
    complete behaviors;
    disjoint behaviors;
*/
static int parse_digits(const char *text, uint64_t *number, const char **end);

/*@ requires b > 0 && \valid(product);
    terminates \true;
    assigns *product, \result \from a, b;
    ensures a * b <= UINT64_MAX ==> \result == 0 && *product == a * b;
    ensures a * b > UINT64_MAX ==> \result == -ERANGE && *product == \old(*product);
*/
static int multiply(uint64_t a, uint64_t b, uint64_t *product);

#include "common/units.c"

/*@ predicate is_unit(struct unit *unit) =
      \valid_read(unit) && valid_read_string(&unit->suffix[0]) && unit->factor > 0;

    lemma short_suffix: \forall struct unit *unit;
      \valid_read(unit) && unit->suffix[2] == 0 && unit->factor > 0 ==> is_unit(unit);

    predicate is_zero(char *text) = text[0] == '0' && text[1] == 0;
*/

/* Tables of units say what follows the digits; which one does is found by strcmp(3). */
/*@ requires valid_read_string(text) && \valid(value);
    requires \separated(value, text + (0 .. strlen(text)));
    requires \forall integer i; 0 <= i < n_units ==> is_unit(&units[i]);
    terminates \true;
    assigns *value, \result \from text[0 ..], units[0 .. n_units - 1];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
    ensures \result == 0 ==> \exists integer n, i, v; 0 <= i < n_units &&
      \old(is_in_unit(text, n, &units[i], v)) && *value == v;
    ensures \result == -EINVAL ==> \forall integer n, i, v; 0 <= i < n_units ==>
      !\old(is_in_unit(text, n, &units[i], v));
    ensures \result == -ERANGE ==> \old(digits_exceed(text)) || \exists integer n, i, v;
      0 <= i < n_units && \old(is_in_unit(text, n, &units[i], v)) && v > UINT64_MAX;
    ensures \result != 0 ==> *value == \old(*value);
*/
static int parse_with_unit(
        const char *text, const struct unit *units, size_t n_units, uint64_t *value);

/*@ requires valid_read_string(text) && \valid(count);
    requires \separated(count, text + (0 .. strlen(text)));
    terminates \true;
    assigns *count, \result \from text[0 ..];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
    ensures \result == 0 ==> \exists integer n, i, v; 0 <= i < 1 &&
      \old(is_in_unit(text, n, &count_units[i], v)) && *count == v;
    ensures \result == -EINVAL ==> \forall integer n, i, v; 0 <= i < 1 ==>
      !\old(is_in_unit(text, n, &count_units[i], v));
    ensures \result == -ERANGE ==> \old(digits_exceed(text)) || \exists integer n, i, v;
      0 <= i < 1 && \old(is_in_unit(text, n, &count_units[i], v)) && v > UINT64_MAX;
    ensures \result != 0 ==> *count == \old(*count);
*/
int units_parse_count(const char *text, uint64_t *count);

/*@ requires valid_read_string(text) && \valid(time_ms);
    requires \separated(time_ms, text + (0 .. strlen(text)));
    terminates \true;
    assigns *time_ms, \result \from text[0 ..];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
    ensures \result == 0 ==> (\old(is_zero(text)) && *time_ms == 0) || \exists integer n, i, v; 0 <=
   i < 4 && \old(is_in_unit(text, n, &time_units[i], v)) && *time_ms == v; ensures \result ==
   -EINVAL ==> !\old(is_zero(text)) && \forall integer n, i, v; 0 <= i < 4 ==>
      !\old(is_in_unit(text, n, &time_units[i], v));
    ensures \result == -ERANGE ==> \old(digits_exceed(text)) || \exists integer n, i, v;
      0 <= i < 4 && \old(is_in_unit(text, n, &time_units[i], v)) && v > UINT64_MAX;
    ensures \result != 0 ==> *time_ms == \old(*time_ms);
*/
int units_parse_time(const char *text, uint64_t *time_ms);

/*@ requires valid_read_string(text) && \valid(size_bytes);
    requires \separated(size_bytes, text + (0 .. strlen(text)));
    terminates \true;
    assigns *size_bytes, \result \from text[0 ..];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
    ensures \result == 0 ==> \exists integer n, i, v; 0 <= i < 4 &&
      \old(is_in_unit(text, n, &size_units[i], v)) && *size_bytes == v;
    ensures \result == -EINVAL ==> \forall integer n, i, v; 0 <= i < 4 ==>
      !\old(is_in_unit(text, n, &size_units[i], v));
    ensures \result == -ERANGE ==> \old(digits_exceed(text)) || \exists integer n, i, v;
      0 <= i < 4 && \old(is_in_unit(text, n, &size_units[i], v)) && v > UINT64_MAX;
    ensures \result != 0 ==> *size_bytes == \old(*size_bytes);
*/
int units_parse_size(const char *text, uint64_t *size_bytes);
