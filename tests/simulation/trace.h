/*
 * What happened in a run: hashed always, so that a replay can be told from a different run; printed
 * on demand. And the end of a run that went wrong.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

void trace_begin(uint64_t seed, bool print);

/* One event: a call of the daemon with what was asked and answered, or an act of the world. */
void trace(const char *event, int64_t subject, int64_t detail, int64_t result);

/* A line of words, such as the daemon's log. */
void trace_text(const char *event, const char *text);

uint64_t trace_hash(void);

/* Ends the process: prints the seed, what went wrong and how to replay it. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define expect(condition, ...)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail(__VA_ARGS__);                                                         \
	} while (0)
