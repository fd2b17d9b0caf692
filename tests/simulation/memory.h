/*
 * The memory that the daemon and libev allocate (malloc(3)): what a run takes it has to give back.
 */
#pragma once

#include <stdint.h>

/* Allocations that have not been given back. */
int64_t memory_allocations(void);

/* Bytes of memory in them, and in mappings what has been touched. */
uint64_t memory_resident(void);

/* What execve(2) does: all that has been allocated since begin() is gone. */
void memory_begin(void);
void memory_drop(void);
