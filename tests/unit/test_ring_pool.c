#include "test.h"

#include "echod/ring_pool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	ROUND = 4, /* looks */
};

static size_t
page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Pages of the ring's bytes that take memory (mincore(2)). */
static size_t
resident(const struct ring *ring)
{
	unsigned char pages[64];
	size_t count = 0;

	assert_true(ring->size <= sizeof(pages) * page_size());
	assert_int_equal(mincore(ring->bytes, ring->size, pages), 0);
	for (size_t i = 0; i < ring->size / page_size(); i++)
		count += pages[i] & 1;
	return count;
}

static bool
trim_round(struct ring_pool *rings)
{
	bool left = false;

	for (int i = 0; i < ROUND; i++)
		left = ring_pool_trim(rings, ROUND);
	return left;
}

/* More than a pool can count. */
static void
too_many_rings_are_refused(void **state)
{
	struct ring_pool rings;

	(void)state;
	errno = 0;
	assert_int_equal(ring_pool_init(&rings, 1, SIZE_MAX, 0), -ENOMEM);
}

static void
lends_rings_of_whole_pages_within_the_memory(void **state)
{
	struct ring_pool rings;
	struct ring *first, *second;

	(void)state;
	assert_int_equal(ring_pool_init(&rings, page_size() + 1, 5 * page_size(), 0), 0);
	first = ring_pool_take(&rings);
	second = ring_pool_take(&rings);
	assert_true(ring_is_valid(first));
	assert_int_equal(first->size, 2 * page_size());
	memset(first->bytes, 1, first->size);
	memset(second->bytes, 2, second->size);
	assert_int_equal(first->bytes[first->size - 1], 1);
	assert_null(ring_pool_take(&rings));
	ring_pool_free(&rings);
}

static void
a_ring_comes_back_empty(void **state)
{
	struct ring_pool rings;
	struct ring *ring;

	(void)state;
	assert_int_equal(ring_pool_init(&rings, page_size(), page_size(), 0), 0);
	ring = ring_pool_take(&rings);
	ring_commit(ring, 100);
	ring_consume(ring, 30);
	ring_pool_give(&rings, ring);
	assert_ptr_equal(ring_pool_take(&rings), ring);
	assert_int_equal(ring->used, 0);
	assert_true(ring_is_valid(ring));
	ring_pool_free(&rings);
}

static void
no_memory_is_no_rings(void **state)
{
	struct ring_pool rings;

	(void)state;
	assert_int_equal(ring_pool_init(&rings, page_size(), page_size() - 1, 0), 0);
	assert_null(ring_pool_take(&rings));
	assert_false(ring_pool_trim(&rings, ROUND));
	ring_pool_free(&rings);
	ring_pool_free(&rings);
}

/* What a reload hands over may be more than fits into the memory, and no other ring is. */
static void
reserved_rings_are_lent_beyond_the_memory(void **state)
{
	struct ring_pool rings;
	struct ring *taken[4];

	(void)state;
	assert_int_equal(ring_pool_init(&rings, page_size(), 2 * page_size(), 4), 0);
	assert_null(ring_pool_take(&rings));
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		assert_non_null(taken[i] = ring_pool_take_reserved(&rings));
	for (size_t i = 0; i < 3; i++) {
		assert_null(ring_pool_take(&rings));
		ring_pool_give(&rings, taken[i]);
	}
	assert_non_null(ring_pool_take(&rings));
	assert_null(ring_pool_take(&rings));
	ring_pool_free(&rings);
	assert_int_equal(ring_pool_init(&rings, page_size(), 3 * page_size(), 2), 0);
	assert_int_equal(rings.pool.capacity, 3);
	assert_non_null(ring_pool_take(&rings));
	assert_null(ring_pool_take(&rings));
	assert_non_null(ring_pool_take_reserved(&rings));
	assert_non_null(ring_pool_take_reserved(&rings));
	ring_pool_free(&rings);
	assert_int_equal(ring_pool_init(&rings, page_size(), 0, 1), 0);
	assert_null(ring_pool_take(&rings));
	assert_non_null(ring_pool_take_reserved(&rings));
	ring_pool_free(&rings);
}

static void
only_what_was_not_lent_for_a_round_is_given_back(void **state)
{
	struct ring_pool rings;
	struct ring *kept, *used, *unused;

	(void)state;
	assert_int_equal(ring_pool_init(&rings, 8 * page_size(), 3 * 8 * page_size(), 0), 0);
	kept = ring_pool_take(&rings);
	unused = ring_pool_take(&rings);
	used = ring_pool_take(&rings);
	memset(kept->bytes, 1, kept->size);
	memset(used->bytes, 1, used->size);
	memset(unused->bytes, 1, unused->size);
	assert_false(trim_round(&rings)); /* all are lent */
	ring_pool_give(&rings, unused);
	ring_pool_give(&rings, used);
	assert_true(trim_round(&rings));
	assert_ptr_equal(ring_pool_take(&rings), used);
	ring_pool_give(&rings, used);
	assert_true(trim_round(&rings));
	assert_int_equal(resident(kept), 8);
	assert_int_equal(resident(used), 8);
	assert_int_equal(resident(unused), 0);
	assert_false(trim_round(&rings));
	assert_int_equal(resident(used), 0);
	assert_int_equal(resident(kept), 8);
	ring_pool_free(&rings);
}

/* Also when it was given back, and looked at, before. */
static void
a_lent_ring_keeps_its_bytes(void **state)
{
	struct ring_pool rings;
	struct ring *ring;

	(void)state;
	assert_int_equal(ring_pool_init(&rings, page_size(), page_size(), 0), 0);
	for (int looks = 0; looks < 3 * ROUND; looks++) {
		ring_pool_give(&rings, ring_pool_take(&rings));
		for (int i = 0; i < looks; i++)
			ring_pool_trim(&rings, ROUND);
		ring = ring_pool_take(&rings);
		memset(ring->bytes, 1, ring->size);
		assert_false(trim_round(&rings));
		assert_false(trim_round(&rings));
		assert_int_equal(ring->bytes[0], 1);
		assert_int_equal(resident(ring), 1);
		ring_pool_give(&rings, ring);
	}
	ring_pool_free(&rings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(too_many_rings_are_refused),
	        cmocka_unit_test(lends_rings_of_whole_pages_within_the_memory),
	        cmocka_unit_test(a_ring_comes_back_empty),
	        cmocka_unit_test(no_memory_is_no_rings),
	        cmocka_unit_test(a_lent_ring_keeps_its_bytes),
	        cmocka_unit_test(reserved_rings_are_lent_beyond_the_memory),
	        cmocka_unit_test(only_what_was_not_lent_for_a_round_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
