#include "test.h"

#include "echod/pool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	ITEM_SIZE = 24,
};

static void
lends_each_item_once_and_then_none(void **state)
{
	struct pool pool;
	unsigned char *seen[5];

	(void)state;
	assert_int_equal(pool_init(&pool, 5, ITEM_SIZE), 0);
	for (size_t i = 0; i < 5; i++) {
		seen[i] = pool_take(&pool);
		assert_non_null(seen[i]);
		assert_int_equal(pool_index(&pool, seen[i]), i);
		assert_ptr_equal(pool_at(&pool, (uint32_t)i), seen[i]);
		memset(seen[i], 0xff, ITEM_SIZE); /* overlaps show as damage */
	}
	assert_null(pool_take(&pool));
	assert_int_equal(pool.lent, 5);
	pool_free(&pool);
}

static void
lends_what_was_given_back_last_first(void **state)
{
	struct pool pool;
	void *a, *b, *c;

	(void)state;
	assert_int_equal(pool_init(&pool, 3, ITEM_SIZE), 0);
	a = pool_take(&pool);
	b = pool_take(&pool);
	pool_give(&pool, a);
	pool_give(&pool, b);
	assert_int_equal(pool.lent, 0);
	assert_ptr_equal(pool_take(&pool), b);
	assert_ptr_equal(pool_take(&pool), a);
	c = pool_take(&pool);
	assert_ptr_not_equal(c, a);
	assert_ptr_not_equal(c, b);
	assert_null(pool_take(&pool));
	pool_free(&pool);
}

static void
items_begin_with_zeros_and_keep_the_rest(void **state)
{
	const unsigned char zeros[ITEM_SIZE] = {0};
	struct pool pool;
	unsigned char *item;

	(void)state;
	assert_int_equal(pool_init(&pool, 2, ITEM_SIZE), 0);
	item = pool_take(&pool);
	assert_memory_equal(item, zeros, ITEM_SIZE);
	memset(item, 7, ITEM_SIZE);
	pool_give(&pool, item);
	assert_ptr_equal(pool_take(&pool), item);
	assert_memory_equal(item, zeros, 8);
	for (size_t i = 8; i < ITEM_SIZE; i++)
		assert_int_equal(item[i], 7);
	pool_free(&pool);
}

static void
empty_pool_lends_nothing(void **state)
{
	struct pool pool;

	(void)state;
	assert_int_equal(pool_init(&pool, 0, ITEM_SIZE), 0);
	assert_null(pool_take(&pool));
	pool_free(&pool);
	pool_free(&pool);
}

static void
more_than_there_is_fails(void **state)
{
	struct pool pool;

	(void)state;
	assert_int_equal(pool_init(&pool, UINT32_MAX, SIZE_MAX / 8), -ENOMEM);
	pool_free(&pool);
	assert_int_equal(pool_init(&pool, UINT32_MAX, (size_t)1 << 40), -ENOMEM);
	pool_free(&pool);
}

/* The promise behind tables for 100,000 connections: what is not used takes no memory. */
static void
items_never_lent_take_no_memory(void **state)
{
	enum { CAPACITY = 1 << 20 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0, pages = CAPACITY * 64 / page;
	unsigned char *in_core = test_malloc(pages);
	struct pool pool;

	(void)state;
	assert_int_equal(pool_init(&pool, CAPACITY, 64), 0);
	assert_non_null(pool_take(&pool));
	*(unsigned char *)pool_take(&pool) = 1;
	assert_int_equal(mincore(pool.items, CAPACITY * 64, in_core), 0);
	for (size_t i = 0; i < pages; i++)
		resident += in_core[i] & 1;
	assert_int_equal(resident, 1);
	test_free(in_core);
	pool_free(&pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(lends_each_item_once_and_then_none),
	        cmocka_unit_test(lends_what_was_given_back_last_first),
	        cmocka_unit_test(items_begin_with_zeros_and_keep_the_rest),
	        cmocka_unit_test(empty_pool_lends_nothing),
	        cmocka_unit_test(more_than_there_is_fails),
	        cmocka_unit_test(items_never_lent_take_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
