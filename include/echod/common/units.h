/*
 * Numbers as people write them: counts, ports, times and sizes.
 *
 * Each parser takes the whole text or nothing: it returns 0 and stores the value, or returns
 * -EINVAL (not such a number) or -ERANGE (too large for its type) and stores nothing. No sign, no
 * white space, no locale.
 */
#pragma once

#include <stdint.h>

/* Digits only: "0", "4096". */
int units_parse_count(const char *text, uint64_t *count);

/*
 * A time as digits, with a fraction or without, and ms, s, m, h or nothing, which is seconds: "90",
 * "0.2", "1.5s", "500ms", "2m", "1h". Stores milliseconds, rounded up; digits of the fraction after
 * the ninth do not count.
 */
int units_parse_time(const char *text, uint64_t *time_ms);

/* A size as digits and nothing or one of K, M, G (powers of 1024): "4096", "16K". Stores bytes. */
int units_parse_size(const char *text, uint64_t *size_bytes);
