/*
 * A pool of equal items, made once, lent and given back, last in first out: the item given back
 * last is still in the cache and goes out next. Items never lent take no memory: their pages have
 * not been touched (mmap(2)).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pool {
	unsigned char *items; /* owned */
	size_t item_size;     /* bytes */
	uint32_t capacity;    /* items */
	uint32_t fresh;       /* items below this index have been lent before */
	uint32_t lent;        /* items out now */
	void *last_given;     /* the item given back last; it begins with the one before */
};

/*
 * Maps room for capacity items (0 is a pool that lends nothing) of item_size bytes, a multiple
 * of 8. A lent item begins with 8 zero bytes, which are the pool's while it is not lent. The others
 * are zero when it is lent for the first time and later as they were given back. Returns 0 or a
 * negative errno (mmap(2)).
 */
int pool_init(struct pool *pool, uint32_t capacity, size_t item_size);

/* Gives the memory back. A zeroed pool and one freed before are fine. */
void pool_free(struct pool *pool);

/* Lends an item, or NULL when all are out. */
void *pool_take(struct pool *pool);

/* Takes an item back that pool_take() lent. */
void pool_give(struct pool *pool, void *item);

/* An item's index, below capacity, and back. Any index below fresh may be looked at. */
uint32_t pool_index(const struct pool *pool, const void *item);
void *pool_at(const struct pool *pool, uint32_t index);

/*
 * Maps length zeroed bytes that take memory only once touched and never get into a core dump
 * (madvise(2), MADV_DONTDUMP). Returns NULL and sets errno (mmap(2)). Give back with pool_unmap().
 */
void *pool_map(size_t length);
void pool_unmap(void *memory, size_t length);
