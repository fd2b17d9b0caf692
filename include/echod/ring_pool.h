/*
 * Rings with their bytes, made once, lent and given back, last in first out. Memory that was not
 * needed lately goes back to the system (madvise(2), MADV_DONTNEED).
 */
#pragma once

#include "echod/pool.h"
#include "echod/ring.h"

#include <stdbool.h>

struct ring_pool {
	struct pool pool;
	unsigned char *bytes; /* owned */
	size_t ring_size;     /* bytes */
	uint32_t limit;       /* rings that ring_pool_take() lends at once */
	uint32_t reserved;    /* rings that are still to be taken */
	uint32_t warm;        /* rings not lent that may hold memory */
	uint32_t position;    /* the ring to look at next */
	uint32_t look;        /* looks done in this round */
};

/*
 * Maps room for as many rings of ring_size bytes (1 to 2^31, rounded up to whole pages) as fit
 * into memory bytes; none is fine. However many these are, so many can be taken as are reserved.
 * Returns 0 or a negative errno (mmap(2)). Call ring_pool_free() whatever the outcome.
 */
int ring_pool_init(struct ring_pool *rings, size_t ring_size, size_t memory, uint32_t reserved);
void ring_pool_free(struct ring_pool *rings);

/* Lends an empty ring, or NULL when all are out or reserved. */
struct ring *ring_pool_take(struct ring_pool *rings);

/* Lends one that is reserved, and so may exceed the memory: until as many have come back, none is
 * left for ring_pool_take(). */
struct ring *ring_pool_take_reserved(struct ring_pool *rings);

/* Takes a ring back, with whatever is in it. */
void ring_pool_give(struct ring_pool *rings, struct ring *ring);

/*
 * Looks at some of the rings, so that looks_a_round calls (at least 1) look once at each, and gives
 * the memory of those back that were not lent since the last look. Returns whether memory is left
 * to give back.
 */
bool ring_pool_trim(struct ring_pool *rings, uint32_t looks_a_round);
