/*
 * The one source of chance: everything that happens in a run follows from its seed (splitmix64).
 */
#ifndef ECHOD_SIMULATION_RANDOM_H
#define ECHOD_SIMULATION_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

void random_seed(uint64_t seed);
uint64_t random_next(void);

/* 0 to bound - 1; bound > 0 */
uint64_t random_below(uint64_t bound);

/* low to high, each order of magnitude as likely as the others; low > 0 */
uint64_t random_scale(uint64_t low, uint64_t high);

/* True once in n times; never for n = 0. */
bool random_one_in(uint64_t n);

#endif
