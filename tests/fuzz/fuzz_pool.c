/* Anything that may be done to a pool, beside a model: which items are lent, which came back last,
 * and what each item held. */
#include "fuzz.h"

#include "echod/pool.h"

enum {
	MOST_ITEMS = 24,
	MOST_WORDS = 4,
};

struct model {
	uint64_t words[MOST_ITEMS][MOST_WORDS]; /* what each item was left with */
	uint32_t given[MOST_ITEMS];             /* those that came back, the last one last */
	uint32_t lent[MOST_ITEMS];
	size_t n_given, n_lent, n_words;
	uint32_t fresh, capacity;
	uint64_t stamp;
};

static void
expect_kept(struct pool *pool, const struct model *model)
{
	EXPECT(pool->lent == model->n_lent);
	EXPECT(pool->fresh == model->fresh);
	for (size_t i = 0; i < model->n_lent; i++)
		EXPECT(memcmp(pool_at(pool, model->lent[i]), model->words[model->lent[i]],
		               model->n_words * sizeof(uint64_t)) == 0);
}

static void
take(struct pool *pool, struct model *model)
{
	uint64_t *item = pool_take(pool);
	uint32_t index;

	if (model->n_lent == model->capacity) {
		EXPECT(!item);
		return;
	}
	EXPECT(item);
	index = pool_index(pool, item);
	EXPECT(pool_at(pool, index) == item);
	EXPECT(index == (model->n_given ? model->given[model->n_given - 1] : model->fresh));
	if (model->n_given)
		model->n_given--;
	else
		model->fresh++;
	model->words[index][0] = 0;
	EXPECT(memcmp(item, model->words[index], model->n_words * sizeof(*item)) == 0);
	for (size_t i = 0; i < model->n_words; i++)
		item[i] = model->words[index][i] = ~model->stamp++;
	model->lent[model->n_lent++] = index;
}

static void
give(struct pool *pool, struct model *model, size_t which)
{
	uint32_t index;

	if (model->n_lent == 0)
		return;
	which %= model->n_lent;
	index = model->lent[which];
	model->lent[which] = model->lent[--model->n_lent];
	model->given[model->n_given++] = index;
	pool_give(pool, pool_at(pool, index));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct model model = {.capacity = input_byte(&input) % (MOST_ITEMS + 1),
	        .n_words = 1 + input_byte(&input) % MOST_WORDS};
	struct pool pool;

	EXPECT(pool_init(&pool, model.capacity, model.n_words * sizeof(uint64_t)) == 0);
	while (input.left > 0) {
		uint8_t what = input_byte(&input);

		if (what & 1)
			take(&pool, &model);
		else
			give(&pool, &model, what / 2);
		expect_kept(&pool, &model);
	}
	pool_free(&pool);
	pool_free(&pool);
	return 0;
}
