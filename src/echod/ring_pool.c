#include "echod/ring_pool.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum state {
	COLD, /* holds no memory */
	LENT,
	GIVEN,   /* back since the last look */
	COOLING, /* back before the last look */
};

struct item {
	struct ring ring; /* its first 8 bytes are the pool's while it is not lent */
	enum state state;
};

int
ring_pool_init(struct ring_pool *rings, size_t ring_size, size_t memory, uint32_t reserved)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), count;

	*rings = (struct ring_pool){
	        .ring_size = (ring_size + page - 1) / page * page, .reserved = reserved};
	count = memory / rings->ring_size;
	if (count > UINT32_MAX)
		return -ENOMEM;
	rings->limit = (uint32_t)count;
	if (count < reserved)
		count = reserved;
	if (count == 0)
		return 0;
	rings->bytes = pool_map(count * rings->ring_size);
	if (!rings->bytes)
		return -errno;
	return pool_init(&rings->pool, (uint32_t)count, sizeof(struct item));
}

void
ring_pool_free(struct ring_pool *rings)
{
	pool_unmap(rings->bytes, rings->pool.capacity * rings->ring_size);
	pool_free(&rings->pool);
	*rings = (struct ring_pool){0};
}

struct ring *
ring_pool_take(struct ring_pool *rings)
{
	if (rings->pool.lent + rings->reserved >= rings->limit)
		return NULL;
	rings->reserved++;
	return ring_pool_take_reserved(rings);
}

struct ring *
ring_pool_take_reserved(struct ring_pool *rings)
{
	struct item *item = pool_take(&rings->pool);

	rings->reserved--;
	if (item->state != COLD)
		rings->warm--;
	item->state = LENT;
	ring_init(&item->ring, rings->bytes + pool_index(&rings->pool, item) * rings->ring_size,
	        (uint32_t)rings->ring_size);
	return &item->ring;
}

void
ring_pool_give(struct ring_pool *rings, struct ring *ring)
{
	struct item *item = (struct item *)ring;

	item->state = GIVEN;
	rings->warm++;
	pool_give(&rings->pool, item);
}

static void
look_at(struct ring_pool *rings, uint32_t index)
{
	struct item *item = pool_at(&rings->pool, index);

	if (item->state == GIVEN) {
		item->state = COOLING;
	} else if (item->state == COOLING) {
		madvise(rings->bytes + index * rings->ring_size, rings->ring_size, MADV_DONTNEED);
		item->state = COLD;
		rings->warm--;
	}
}

bool
ring_pool_trim(struct ring_pool *rings, uint32_t looks_a_round)
{
	uint64_t end = (uint64_t)rings->pool.fresh * ++rings->look / looks_a_round;

	while (rings->position < end)
		look_at(rings, rings->position++);
	if (rings->look >= looks_a_round)
		rings->look = rings->position = 0;
	return rings->warm > 0;
}
