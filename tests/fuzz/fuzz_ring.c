/* Anything that may be done to a ring, beside a queue that is too simple to be wrong. */
#include "fuzz.h"

#include "echod/ring.h"

#include <errno.h>

struct queue {
	uint8_t bytes[256];
	size_t length;
};

static void
expect_same(const struct ring *ring, const struct queue *queue)
{
	const uint8_t *end = ring->bytes + ring->size, *oldest;
	size_t first, free_length;
	uint8_t *gap;

	EXPECT(ring_is_valid(ring));
	EXPECT(ring->used == queue->length);
	oldest = ring_used_span(ring, &first);
	EXPECT(oldest >= ring->bytes && oldest + first <= end);
	EXPECT(first <= queue->length);
	EXPECT(memcmp(oldest, queue->bytes, first) == 0);
	/* what is not in the first span has wrapped around */
	EXPECT(first == queue->length || oldest + first == end);
	EXPECT(memcmp(ring->bytes, queue->bytes + first, queue->length - first) == 0);

	gap = ring_free_span(ring, &free_length);
	EXPECT(gap >= ring->bytes && gap + free_length <= end);
	EXPECT((free_length == 0) == (queue->length == ring->size));
	/* as long as can be: to the end, or to the oldest byte */
	EXPECT(free_length == 0 || gap + free_length == end || gap + free_length == oldest);
	EXPECT(queue->length > 0 || free_length == ring->size);
}

static void
put(struct ring *ring, struct queue *queue, size_t length, uint8_t first)
{
	size_t span;
	uint8_t *gap = ring_free_span(ring, &span);

	if (length > span) {
		EXPECT(ring_commit(ring, length) == -EINVAL);
		return;
	}
	for (size_t i = 0; i < length; i++)
		gap[i] = queue->bytes[queue->length++] = (uint8_t)(first + i);
	EXPECT(ring_commit(ring, length) == 0);
}

static void
take(struct ring *ring, struct queue *queue, size_t length)
{
	size_t span;

	ring_used_span(ring, &span);
	if (length > span) {
		EXPECT(ring_consume(ring, length) == -EINVAL);
		return;
	}
	queue->length -= length;
	memmove(queue->bytes, queue->bytes + length, queue->length);
	EXPECT(ring_consume(ring, length) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	uint32_t ring_size = 1U + input_byte(&input) % sizeof(((struct queue *)0)->bytes);
	uint8_t *memory = malloc(ring_size);
	struct queue queue = {.length = 0};
	struct ring ring;

	EXPECT(memory);
	ring_init(&ring, memory, ring_size);
	expect_same(&ring, &queue);
	for (uint8_t n = 0; input.left > 0; n += 37) {
		uint8_t what = input_byte(&input);
		size_t length = input_byte(&input);

		if (what & 2) /* lengths that 32 bits do not hold */
			length |= SIZE_MAX - UINT32_MAX;
		if (what & 1)
			put(&ring, &queue, length, n);
		else
			take(&ring, &queue, length);
		expect_same(&ring, &queue);
	}
	free(memory);
	return 0;
}
