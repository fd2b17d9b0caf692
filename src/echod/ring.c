#include "echod/ring.h"

#include <errno.h>

void
ring_init(struct ring *ring, unsigned char *bytes, uint32_t size)
{
	*ring = (struct ring){.bytes = bytes, .size = size};
}

bool
ring_is_valid(const struct ring *ring)
{
	return ring->bytes && ring->size > 0 && ring->head < ring->size &&
	       ring->used <= ring->size && (ring->used > 0 || ring->head == 0);
}

/* Written so that nothing overflows, however large the ring. */
unsigned char *
ring_free_span(const struct ring *ring, size_t *length)
{
	uint32_t to_end = ring->size - ring->head;

	if (ring->used < to_end) {
		*length = to_end - ring->used;
		return ring->bytes + ring->head + ring->used;
	}
	*length = ring->size - ring->used;
	return ring->bytes + (ring->used - to_end);
}

int
ring_commit(struct ring *ring, size_t length)
{
	size_t span;

	ring_free_span(ring, &span);
	if (length > span)
		return -EINVAL;
	ring->used += (uint32_t)length;
	return 0;
}

const unsigned char *
ring_used_span(const struct ring *ring, size_t *length)
{
	uint32_t to_end = ring->size - ring->head;

	*length = ring->used < to_end ? ring->used : to_end;
	return ring->bytes + ring->head;
}

int
ring_consume(struct ring *ring, size_t length)
{
	size_t span;

	ring_used_span(ring, &span);
	if (length > span)
		return -EINVAL;
	ring->used -= (uint32_t)length;
	/* An empty ring starts over: the next receive gets it whole, and the memory is still warm.
	 */
	if (ring->used == 0 || ring->head + length == ring->size)
		ring->head = 0;
	else
		ring->head += (uint32_t)length;
	return 0;
}
