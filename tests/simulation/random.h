/*
 * The one source of chance: everything that happens in a run follows from its seed (splitmix64).
 * Inline, because a run asks it tens of thousands of times.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

extern uint64_t random_state;

static inline void
random_seed(uint64_t seed)
{
	random_state = seed;
}

static inline uint64_t
random_next(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 to bound - 1; bound > 0 */
static inline uint64_t
random_below(uint64_t bound)
{
	__extension__ typedef unsigned __int128 product;

	return (uint64_t)((product)random_next() * bound >> 64);
}

/* low to high, each order of magnitude as likely as the others; low > 0 */
uint64_t random_scale(uint64_t low, uint64_t high);

/* True once in n times; never for n = 0. */
static inline bool
random_one_in(uint64_t n)
{
	return n > 0 && random_below(n) == 0;
}
