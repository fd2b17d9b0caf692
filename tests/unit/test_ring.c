#include "test.h"

#include "echod/ring.h"

#include <errno.h>
#include <string.h>

enum {
	SIZE = 7, /* small and odd: every position wraps soon */
};

/* The ring's behaviour, done the simplest way. */
struct model {
	unsigned char bytes[SIZE];
	size_t used;
};

static void
assert_same(const struct ring *a, const struct ring *b)
{
	assert_memory_equal(a, b, sizeof(*a));
}

/* Writes length bytes if the span allows, in the ring and in the model. */
static void
checked_write(struct ring *ring, struct model *model, size_t length, unsigned char first)
{
	struct ring before = *ring;
	size_t span;
	unsigned char *room = ring_free_span(ring, &span);

	assert_true(ring_is_valid(ring));
	assert_true(span <= SIZE - model->used);
	assert_true((span == 0) == (model->used == SIZE));
	if (length > span) {
		assert_int_equal(ring_commit(ring, length), -EINVAL);
		assert_same(ring, &before);
		return;
	}
	for (size_t i = 0; i < length; i++)
		room[i] = model->bytes[model->used++] = (unsigned char)(first + i);
	assert_int_equal(ring_commit(ring, length), 0);
	assert_true(ring_is_valid(ring));
}

static void
checked_read(struct ring *ring, struct model *model, size_t length)
{
	struct ring before = *ring;
	size_t span;
	const unsigned char *oldest = ring_used_span(ring, &span);

	assert_true(ring_is_valid(ring));
	assert_true(span <= model->used);
	assert_true((span == 0) == (model->used == 0));
	assert_memory_equal(oldest, model->bytes, span);
	if (length > span) {
		assert_int_equal(ring_consume(ring, length), -EINVAL);
		assert_same(ring, &before);
		return;
	}
	assert_int_equal(ring_consume(ring, length), 0);
	model->used -= length;
	memmove(model->bytes, model->bytes + length, model->used);
	assert_true(ring_is_valid(ring));
	assert_int_equal(ring->used, model->used);
}

/* Every sequence of four operations, each of every length, from every state that leads there. */
static void
every_short_sequence_gives_the_bytes_back_in_order(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 16 * 16 * 16 * 16; code++) {
		unsigned char memory[SIZE];
		struct model model = {.used = 0};
		struct ring ring;

		ring_init(&ring, memory, SIZE);
		for (unsigned step = 0; step < 4; step++) {
			unsigned operation = code >> (4 * step) & 15;

			if (operation < 8)
				checked_write(&ring, &model, operation, (unsigned char)code);
			else
				checked_read(&ring, &model, operation - 8);
		}
	}
}

static void
long_run_keeps_invariant(void **state)
{
	unsigned char memory[SIZE];
	struct model model = {.used = 0};
	struct ring ring;
	uint32_t random = 1;

	(void)state;
	ring_init(&ring, memory, SIZE);
	for (int i = 0; i < 200000; i++) {
		random = random * 1664525 + 1013904223;
		if (random >> 31)
			checked_write(&ring, &model, random >> 24 & 7, (unsigned char)i);
		else
			checked_read(&ring, &model, random >> 24 & 7);
	}
}

static void
one_byte_ring_works(void **state)
{
	unsigned char memory;
	struct ring ring;
	size_t span;

	(void)state;
	ring_init(&ring, &memory, 1);
	assert_true(ring_is_valid(&ring));
	for (int i = 0; i < 3; i++) {
		*(unsigned char *)ring_free_span(&ring, &span) = (unsigned char)i;
		assert_int_equal(span, 1);
		assert_int_equal(ring_commit(&ring, 1), 0);
		ring_free_span(&ring, &span);
		assert_int_equal(span, 0);
		assert_int_equal(*(const unsigned char *)ring_used_span(&ring, &span), i);
		assert_int_equal(ring_consume(&ring, 1), 0);
	}
}

static void
empty_ring_offers_all_its_room_at_once(void **state)
{
	unsigned char memory[SIZE];
	struct ring ring;
	size_t span;

	(void)state;
	ring_init(&ring, memory, SIZE);
	assert_int_equal(ring_commit(&ring, 5), 0);
	assert_int_equal(ring_consume(&ring, 5), 0);
	assert_ptr_equal(ring_free_span(&ring, &span), memory);
	assert_int_equal(span, SIZE);
}

static void
lengths_near_the_top_of_size_t_are_refused(void **state)
{
	unsigned char memory[SIZE];
	struct ring ring;

	(void)state;
	ring_init(&ring, memory, SIZE);
	assert_int_equal(ring_commit(&ring, SIZE_MAX), -EINVAL);
	assert_int_equal(ring_commit(&ring, (size_t)UINT32_MAX + 2), -EINVAL);
	assert_int_equal(ring_consume(&ring, SIZE_MAX), -EINVAL);
	assert_int_equal(ring.used, 0);
}

static void
invariant_notices_damage(void **state)
{
	unsigned char memory[SIZE];
	const struct ring damaged[] = {
	        {.bytes = NULL, .size = SIZE},
	        {.bytes = memory, .size = 0},
	        {.bytes = memory, .size = SIZE, .head = SIZE, .used = 1},
	        {.bytes = memory, .size = SIZE, .used = SIZE + 1},
	        {.bytes = memory, .size = SIZE, .head = 1, .used = 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++)
		assert_false(ring_is_valid(&damaged[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_short_sequence_gives_the_bytes_back_in_order),
	        cmocka_unit_test(long_run_keeps_invariant),
	        cmocka_unit_test(one_byte_ring_works),
	        cmocka_unit_test(empty_ring_offers_all_its_room_at_once),
	        cmocka_unit_test(lengths_near_the_top_of_size_t_are_refused),
	        cmocka_unit_test(invariant_notices_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
