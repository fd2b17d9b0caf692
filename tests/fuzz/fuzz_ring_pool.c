/* Rings lent, filled, given back and cooled: bytes are not touched while they are lent, and
 * what is not needed goes back to the system. */
#include "fuzz.h"

#include "echod/ring_pool.h"

#include <unistd.h>

enum {
	MOST_RINGS = 16, /* more than pages fit into memory, a number of 16 bits */
};

struct model {
	struct ring *lent[MOST_RINGS];
	uint8_t stamps[MOST_RINGS];
	size_t n_lent, n_rings;
	uint8_t stamp;
};

static void
write_on(struct ring *ring, uint8_t stamp)
{
	ring->bytes[0] = ring->bytes[ring->size - 1] = stamp;
}

static void
expect_kept(const struct ring_pool *rings, const struct model *model)
{
	EXPECT(rings->pool.lent == model->n_lent);
	EXPECT(rings->warm + model->n_lent <= model->n_rings);
	for (size_t i = 0; i < model->n_lent; i++) {
		const struct ring *ring = model->lent[i];

		EXPECT(ring_is_valid(ring));
		EXPECT(ring->bytes[0] == model->stamps[i]);
		EXPECT(ring->bytes[ring->size - 1] == model->stamps[i]);
	}
}

static void
take(struct ring_pool *rings, struct model *model)
{
	struct ring *ring = ring_pool_take(rings);

	EXPECT(!ring == (model->n_lent == model->n_rings));
	if (!ring)
		return;
	EXPECT(ring_is_valid(ring) && ring->used == 0 && ring->size == rings->ring_size);
	for (size_t i = 0; i < model->n_lent; i++)
		EXPECT(ring->bytes + ring->size <= model->lent[i]->bytes ||
		        model->lent[i]->bytes + model->lent[i]->size <= ring->bytes);
	model->stamps[model->n_lent] = ++model->stamp | 1;
	write_on(ring, model->stamps[model->n_lent]);
	model->lent[model->n_lent++] = ring;
}

static void
give(struct ring_pool *rings, struct model *model, size_t which)
{
	if (model->n_lent == 0)
		return;
	which %= model->n_lent;
	ring_pool_give(rings, model->lent[which]);
	model->n_lent--;
	model->lent[which] = model->lent[model->n_lent];
	model->stamps[which] = model->stamps[model->n_lent];
}

/* To the end of this round, and through two whole ones. */
static void
cool(struct ring_pool *rings, uint32_t looks_a_round)
{
	for (uint32_t i = 0; i < 3 * looks_a_round; i++)
		ring_pool_trim(rings, looks_a_round);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	size_t page = (size_t)sysconf(_SC_PAGESIZE), cold = 0;
	size_t ring_size = 1 + input_number(&input, 2) % (2 * page);
	size_t memory = input_number(&input, 2);
	uint32_t looks_a_round = 1U + input_byte(&input) % 16;
	struct model model = {0};
	struct ring_pool rings;

	EXPECT(ring_pool_init(&rings, ring_size, memory, 0) == 0);
	model.n_rings = rings.pool.capacity;
	EXPECT(rings.ring_size % page == 0 && rings.ring_size - ring_size < page);
	EXPECT(model.n_rings == memory / rings.ring_size);
	EXPECT(model.n_rings <= MOST_RINGS);
	while (input.left > 0) {
		uint8_t what = input_byte(&input);

		if (what % 3 == 0)
			take(&rings, &model);
		else if (what % 3 == 1)
			give(&rings, &model, what / 3);
		else
			EXPECT(ring_pool_trim(&rings, looks_a_round) == (rings.warm > 0));
		expect_kept(&rings, &model);
	}
	cool(&rings, looks_a_round);
	EXPECT(rings.warm == 0);
	expect_kept(&rings, &model);
	for (size_t i = 0; i < model.n_rings; i++)
		cold += rings.bytes[i * rings.ring_size] == 0;
	EXPECT(cold == model.n_rings - model.n_lent);
	ring_pool_free(&rings);
	return 0;
}
