/* Moments of the real-time clock (CLOCK_REALTIME), in nanoseconds since 1970 (UTC). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TIMESTAMP_TEXT_SIZE 40

uint64_t timestamp_now_ns(void);

/* Writes RFC 3339, UTC: "2026-11-24T17:38:05.123456789Z". Returns text. */
char *timestamp_format(uint64_t time_ns, char text[TIMESTAMP_TEXT_SIZE]);

/*
 * Reads RFC 3339 (fractions and an offset such as +01:00 allowed) or seconds since 1970
 * ("1764005885.5"). Returns 0, or -EINVAL and stores nothing.
 */
int timestamp_parse(const char *text, uint64_t *time_ns);

/* Seconds as a decimal fraction without an exponent, up to 9 digits of it. Returns as above. */
int timestamp_parse_seconds(const char *text, uint64_t *ns);
