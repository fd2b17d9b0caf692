#include "trace.h"

#include "clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	uint64_t seed, hash;
	bool print;
} state;

void
trace_begin(uint64_t seed, bool print)
{
	state.seed = state.hash = seed;
	state.print = print;
}

/* Values that follow each other weigh different odd numbers, which takes less time than to mix
 * each. */
static uint64_t
weigh(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return a * UINT64_C(0x9e3779b97f4a7c15) + b * UINT64_C(0xc2b2ae3d27d4eb4f) +
	       c * UINT64_C(0x165667b19e3779f9) + d * UINT64_C(0x27d4eb2f165667c5);
}

static void
mix(uint64_t value)
{
	state.hash = (state.hash ^ value) * UINT64_C(0x9fb21c651e98df25);
	state.hash ^= state.hash >> 32;
}

static void
print_time(const char *event)
{
	printf("%12.6f %-12s", (double)clock_now() / 1e9, event);
}

void
trace(const char *event, int64_t subject, int64_t detail, int64_t result)
{
	mix((uint64_t)(unsigned char)event[0] << 8 | (unsigned char)event[1]);
	mix(weigh((uint64_t)subject, (uint64_t)detail, (uint64_t)result, clock_now()));
	if (!state.print)
		return;
	print_time(event);
	printf(" %6lld %8lld = %lld\n", (long long)subject, (long long)detail, (long long)result);
}

void
trace_text(const char *event, const char *text)
{
	size_t left = strlen(text);
	uint64_t eight = 0;

	for (const char *c = text; left > 0; c += sizeof(eight)) {
		size_t n = left < sizeof(eight) ? left : sizeof(eight);

		memcpy(&eight, c, n);
		mix(eight);
		left -= n;
	}
	if (!state.print)
		return;
	print_time(event);
	printf(" %s\n", text);
}

uint64_t
trace_hash(void)
{
	return state.hash;
}

void
fail(const char *format, ...)
{
	char words[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	/* one write, so that what two workers say stays apart */
	printf("seed %llu fails after %.6f s: %s\n"
	       "trace hash %016llx; replay it with --seed %llu --trace\n",
	        (unsigned long long)state.seed, (double)(clock_now() - CLOCK_START) / 1e9, words,
	        (unsigned long long)state.hash, (unsigned long long)state.seed);
	fflush(stdout);
	_exit(EXIT_FAILURE);
}
