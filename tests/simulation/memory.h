/*
 * The memory that the daemon and libev take: what a run takes it has to give back.
 */
#ifndef ECHOD_SIMULATION_MEMORY_H
#define ECHOD_SIMULATION_MEMORY_H

#include <stdint.h>

/* Allocations (malloc(3)) and mappings (mmap(2)) that have not been given back. */
int64_t memory_allocations(void);
int64_t memory_mappings(void);

/* Bytes of memory in them now; of mappings what has been touched. */
uint64_t memory_resident(void);

#endif
