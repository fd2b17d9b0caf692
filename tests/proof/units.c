/*
 * What is proven of src/common/units.c: the number is what the text says, or there is an error.
 */
#include "echod/common/units.h"

#include <errno.h>
#include <string.h>

/*@ predicate is_digit(char c) = '0' <= c <= '9';

    logic integer decimal(char *text, integer n) =
      n <= 0 ? 0 : decimal(text, n - 1) * 10 + (text[n - 1] - '0');

    logic integer place_value(integer n) = n <= 0 ? 100000000 : place_value(n - 1) / 10;

    logic integer fraction(char *text, integer n) =
      n <= 0 ? 0 : fraction(text, n - 1) + (text[n - 1] - '0') * place_value(n - 1);

    // of n digits, a point and f digits, or of n digits alone
    logic integer decimal_length(integer n, integer f) = f == 0 ? n : n + 1 + f;
    logic integer decimal_part(char *text, integer n, integer f) =
      f == 0 ? 0 : fraction(text + n + 1, f);

    logic integer scaled(integer whole, integer billionths, integer factor) =
      whole * factor + (billionths * factor + 999999999) / 1000000000;

    predicate digits_exceed(char *text) = \exists integer n; 0 < n &&
      (\forall integer i; 0 <= i < n ==> is_digit(text[i])) && decimal(text, n) > UINT64_MAX;

    predicate begins_with_digits(char *text, integer n) =
      n > 0 && (\forall integer i; 0 <= i < n ==> is_digit(text[i])) && !is_digit(text[n]);
*/

/*@ lemma first_digit: \forall char *text, integer n;
      begins_with_digits(text, n) ==> is_digit(text[0]);

    lemma worth: \forall integer digit, place;
      0 <= digit <= 9 && 0 <= place ==> 0 <= digit * place <= 9 * place;

    lemma next_place: \forall integer n; n >= 0 ==> place_value(n + 1) == place_value(n) / 10;

    lemma next_digit: \forall char *text, integer n; n >= 0 ==>
      fraction(text, n + 1) == fraction(text, n) + (text[n] - '0') * place_value(n);

    lemma one_end: \forall char *text, integer n, m;
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

/*@ requires valid_read_string(text) && \valid(billionths) && \valid(end);
    requires \separated(billionths, end, text + (0 .. strlen(text)));
    terminates \true;
    assigns *billionths, \result \from text[0 ..];
    assigns *end \from text, text[0 ..];
    behavior none:
      assumes !is_digit(text[0]);
      ensures \result == -EINVAL;
      ensures *billionths == \old(*billionths) && *end == \old(*end);
    behavior some:
      assumes is_digit(text[0]);
      ensures \result == 0;
      ensures \subset(*end, text + (1 .. strlen(text)));
      ensures begins_with_digits(text, *end - text);
      ensures *billionths == fraction(text, *end - text) <= 1000000000;
    complete behaviors;
    disjoint behaviors;
*/
static int parse_fraction(const char *text, uint64_t *billionths, const char **end);

/*@ requires 0 < factor && billionths <= 1000000000 && \valid(value);
    terminates \true;
    assigns *value, \result \from whole, billionths, factor;
    ensures scaled(whole, billionths, factor) <= UINT64_MAX ==>
      \result == 0 && *value == scaled(whole, billionths, factor);
    ensures scaled(whole, billionths, factor) > UINT64_MAX ==>
      \result == -ERANGE && *value == \old(*value);
*/
static int scale(uint64_t whole, uint64_t billionths, uint32_t factor, uint64_t *value);

#include "common/units.c"

/*@ lemma one_decimal: \forall char *text, integer n, m, f, g;
      is_decimal(text, n, f) && is_decimal(text, m, g) ==> n == m && f == g;
*/

/*@ predicate is_unit(struct unit *unit) =
      \valid_read(unit) && valid_read_string(&unit->suffix[0]) && unit->factor > 0;

    lemma short_suffix: \forall struct unit *unit;
      \valid_read(unit) && unit->suffix[2] == 0 && unit->factor > 0 ==> is_unit(unit);
*/

/*@ requires valid_read_string(text) && \valid(whole) && \valid(billionths) && \valid(end);
    requires \separated(whole, billionths, end, text + (0 .. strlen(text)));
    terminates \true;
    assigns *whole, *billionths, \result \from text[0 ..];
    assigns *end \from text, text[0 ..];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
    ensures \result == 0 ==> \subset(*end, text + (1 .. strlen(text))) &&
      *billionths <= 1000000000;
    ensures \result == 0 ==> \exists integer n, f; is_decimal(text, n, f) &&
      *end == text + decimal_length(n, f) && *whole == decimal(text, n) &&
      *billionths == decimal_part(text, n, f);
    ensures \result == -EINVAL ==> \forall integer n, f; !is_decimal(text, n, f);
    ensures \result == -ERANGE ==> digits_exceed(text);
*/
static int parse_decimal(const char *text, uint64_t *whole, uint64_t *billionths, const char **end);

/* Tables of units say what follows the digits; which one does is found by strcmp(3). */
/*@ requires valid_read_string(suffix) && billionths <= 1000000000 && \valid(value);
    requires \separated(value, suffix + (0 .. strlen(suffix)));
    requires \forall integer i; 0 <= i < n_units ==> is_unit(&units[i]);
    terminates \true;
    assigns *value, \result \from whole, billionths, suffix[0 ..], units[0 .. n_units - 1];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
    ensures \result == 0 ==> \exists integer i; 0 <= i < n_units &&
      \old(is_called(suffix, &units[i])) &&
      *value == \old(scaled(whole, billionths, units[i].factor));
    ensures \result == -EINVAL ==> \forall integer i; 0 <= i < n_units ==>
      !\old(is_called(suffix, &units[i]));
    ensures \result == -ERANGE ==> \exists integer i; 0 <= i < n_units &&
      \old(is_called(suffix, &units[i])) &&
      \old(scaled(whole, billionths, units[i].factor)) > UINT64_MAX;
    ensures \result != 0 ==> *value == \old(*value);
*/
static int apply_unit(uint64_t whole, uint64_t billionths, const char *suffix,
        const struct unit *units, size_t n_units, uint64_t *value);

/*@ requires valid_read_string(text) && \valid(value);
    requires \separated(value, text + (0 .. strlen(text)));
    requires \forall integer i; 0 <= i < n_units ==> is_unit(&units[i]);
    terminates \true;
    assigns *value, \result \from text[0 ..], units[0 .. n_units - 1];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
    ensures \result == 0 ==> \exists integer n, i, v; 0 <= i < n_units &&
      \old(is_whole(text, n, &units[i], v)) && *value == v;
    ensures \result == -EINVAL ==> \forall integer n, i, v; 0 <= i < n_units ==>
      !\old(is_whole(text, n, &units[i], v));
    ensures \result == -ERANGE ==> \old(digits_exceed(text)) || \exists integer n, i, v;
      0 <= i < n_units && \old(is_whole(text, n, &units[i], v)) && v > UINT64_MAX;
    ensures \result != 0 ==> *value == \old(*value);
*/
static int parse_whole(const char *text, const struct unit *units, size_t n_units, uint64_t *value);

/*@ requires valid_read_string(text) && \valid(count);
    requires \separated(count, text + (0 .. strlen(text)));
    terminates \true;
    assigns *count, \result \from text[0 ..];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
    ensures \result == 0 ==> \exists integer n, i, v; 0 <= i < 1 &&
      \old(is_whole(text, n, &count_units[i], v)) && *count == v;
    ensures \result == -EINVAL ==> \forall integer n, i, v; 0 <= i < 1 ==>
      !\old(is_whole(text, n, &count_units[i], v));
    ensures \result == -ERANGE ==> \old(digits_exceed(text)) || \exists integer n, i, v;
      0 <= i < 1 && \old(is_whole(text, n, &count_units[i], v)) && v > UINT64_MAX;
    ensures \result != 0 ==> *count == \old(*count);
*/
int units_parse_count(const char *text, uint64_t *count);

/*@ requires valid_read_string(text) && \valid(time_ms);
    requires \separated(time_ms, text + (0 .. strlen(text)));
    terminates \true;
    assigns *time_ms, \result \from text[0 ..];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
    ensures \result == 0 ==> \exists integer n, f, i, v; 0 <= i < 5 &&
      \old(is_time(text, n, f, &time_units[i], v)) && *time_ms == v;
    ensures \result == -EINVAL ==> \forall integer n, f, i, v; 0 <= i < 5 ==>
      !\old(is_time(text, n, f, &time_units[i], v));
    ensures \result == -ERANGE ==> \old(digits_exceed(text)) || \exists integer n, f, i, v;
      0 <= i < 5 && \old(is_time(text, n, f, &time_units[i], v)) && v > UINT64_MAX;
    ensures \result != 0 ==> *time_ms == \old(*time_ms);
*/
int units_parse_time(const char *text, uint64_t *time_ms);

/*@ requires valid_read_string(text) && \valid(size_bytes);
    requires \separated(size_bytes, text + (0 .. strlen(text)));
    terminates \true;
    assigns *size_bytes, \result \from text[0 ..];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
    ensures \result == 0 ==> \exists integer n, i, v; 0 <= i < 4 &&
      \old(is_whole(text, n, &size_units[i], v)) && *size_bytes == v;
    ensures \result == -EINVAL ==> \forall integer n, i, v; 0 <= i < 4 ==>
      !\old(is_whole(text, n, &size_units[i], v));
    ensures \result == -ERANGE ==> \old(digits_exceed(text)) || \exists integer n, i, v;
      0 <= i < 4 && \old(is_whole(text, n, &size_units[i], v)) && v > UINT64_MAX;
    ensures \result != 0 ==> *size_bytes == \old(*size_bytes);
*/
int units_parse_size(const char *text, uint64_t *size_bytes);
