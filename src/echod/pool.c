#include "echod/pool.h"

#include <errno.h>
#include <sys/mman.h>

void *
pool_map(size_t length)
{
	void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, length, MADV_DONTDUMP);
	madvise(memory, length, MADV_NOHUGEPAGE); /* one byte touched must not cost 2 MiB */
	return memory;
}

void
pool_unmap(void *memory, size_t length)
{
	if (memory)
		munmap(memory, length);
}

int
pool_init(struct pool *pool, uint32_t capacity, size_t item_size)
{
	size_t length;

	*pool = (struct pool){.capacity = capacity, .item_size = item_size};
	if (capacity == 0)
		return 0;
	if (__builtin_mul_overflow(capacity, item_size, &length)) {
		return -ENOMEM;
	}
	pool->items = pool_map(length);
	return pool->items ? 0 : -errno;
}

void
pool_free(struct pool *pool)
{
	pool_unmap(pool->items, pool->capacity * pool->item_size);
	*pool = (struct pool){0};
}

void *
pool_take(struct pool *pool)
{
	void **item = pool->last_given;

	if (item) {
		pool->last_given = *item;
		*item = NULL;
	} else if (pool->fresh < pool->capacity) {
		item = pool_at(pool, pool->fresh++);
	} else {
		return NULL;
	}
	pool->lent++;
	return item;
}

void
pool_give(struct pool *pool, void *item)
{
	*(void **)item = pool->last_given;
	pool->last_given = item;
	pool->lent--;
}

uint32_t
pool_index(const struct pool *pool, const void *item)
{
	return (uint32_t)((size_t)((const unsigned char *)item - pool->items) / pool->item_size);
}

void *
pool_at(const struct pool *pool, uint32_t index)
{
	return pool->items + index * pool->item_size;
}
