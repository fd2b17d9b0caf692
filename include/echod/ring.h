/*
 * A fixed ring of bytes: what was received from a peer and not yet sent back to it.
 *
 * Pure: no system calls, no allocation. The memory is the caller's. Bytes go in and out through
 * contiguous spans, so that recv(2) and send(2) work on the ring itself and nothing is copied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Invariant: size > 0, head < size, used <= size; an empty ring has its head at 0. */
struct ring {
	uint32_t head;        /* where the oldest byte is */
	uint32_t used;        /* bytes held */
	unsigned char *bytes; /* the caller's, size bytes */
	uint32_t size;        /* bytes */
};

/* Makes an empty ring over size bytes (at least 1) that live as long as the ring is used. */
void ring_init(struct ring *ring, unsigned char *bytes, uint32_t size);

/* The invariant; false means that memory was overwritten. */
bool ring_is_valid(const struct ring *ring);

/* The next contiguous free space. Stores its length in bytes, 0 when the ring is full. */
unsigned char *ring_free_span(const struct ring *ring, size_t *length);

/* Says that length bytes were written to the free span. Returns 0; -EINVAL if that is more than the
 * span has, and nothing changed. */
int ring_commit(struct ring *ring, size_t length);

/* The oldest contiguous bytes. Stores their number, 0 when the ring is empty. */
const unsigned char *ring_used_span(const struct ring *ring, size_t *length);

/* Says that the oldest length bytes are done with. Returns 0; -EINVAL if that is more than the span
 * has, and nothing changed. */
int ring_consume(struct ring *ring, size_t length);
