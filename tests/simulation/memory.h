/*
 * The memory that the daemon and libev take: what a run takes it has to give back.
 */
#ifndef ECHOD_SIMULATION_MEMORY_H
#define ECHOD_SIMULATION_MEMORY_H

#include <stdint.h>

/* Allocations (malloc(3)) and mappings (mmap(2)) that have not been given back. */
int64_t memory_allocations(void);
int64_t memory_mappings(void);

#endif
