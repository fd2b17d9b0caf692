/*
 * A bucket of tokens that is not the daemon's.
 */
#pragma once

#include "clock.h"
#include "trace.h"

/* Zeroed: it is full. The rate may change, the time that is missing does not. */
struct tokens {
	uint64_t missing_ns, taken_ns; /* how long until it is full; at which time */
};

/* One is taken, of rate per second and at most burst seconds' at once. */
static inline void
tokens_take(struct tokens *tokens, uint64_t rate, uint64_t burst, uint64_t now_ns, const char *name)
{
	uint64_t passed = now_ns - tokens->taken_ns, token_ns = S / rate;

	tokens->missing_ns =
	        (tokens->missing_ns > passed ? tokens->missing_ns - passed : 0) + token_ns;
	tokens->taken_ns = now_ns;
	expect(tokens->missing_ns <= token_ns * rate * burst, "more than %s=%llu", name,
	        (unsigned long long)rate);
}
