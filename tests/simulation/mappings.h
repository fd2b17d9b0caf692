/*
 * The memory that the daemon maps (mmap(2)), zeroed, and given back at the end of a run.
 *
 * All of it lies in one mapping that outlives the runs: mmap(2), munmap(2) and the page faults
 * between them would take as long as all else in a run. AddressSanitizer knows the bounds and the
 * ends of the mappings.
 */
#pragma once

#include <stdint.h>

/* Mappings that have not been given back. */
uint32_t mappings_count(void);

/* Bytes of their pages that have been touched. */
uint64_t mappings_resident(void);

/* What execve(2) does: nothing is mapped any more. */
void mappings_drop(void);
