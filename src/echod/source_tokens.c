#include "echod/source_tokens.h"

#include "echod/bucket.h"
#include "echod/common/address.h"
#include "echod/common/reflection.h"
#include "echod/pool.h"
#include "echod/source.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	SLOTS = 1 << 16,   /* 512 KiB; a flood of a million sources per second is 16 per slot */
	SAVED_SLOTS = 512, /* at once: a page of memory */
};

struct source_tokens {
	const struct prefix *exempt;
	size_t n_exempt;
	uint64_t rate;
	struct bucket_rule rule;
	struct source_key key;
	bool touched[SLOTS / SAVED_SLOTS]; /* to look at the others would map them */
	struct bucket slots[SLOTS];
};

struct source_tokens *
source_tokens_new(uint64_t rate, const struct prefix *exempt, size_t n_exempt)
{
	struct source_tokens *tokens = pool_map(sizeof(*tokens));

	if (!tokens)
		return NULL;
	if (getentropy(&tokens->key, sizeof(tokens->key)) < 0) {
		int error = errno;

		source_tokens_free(tokens);
		errno = error;
		return NULL;
	}
	tokens->exempt = exempt;
	tokens->n_exempt = n_exempt;
	tokens->rate = rate;
	tokens->rule = bucket_rule(rate, 2 * rate);
	return tokens;
}

void
source_tokens_free(struct source_tokens *tokens)
{
	pool_unmap(tokens, sizeof(*tokens));
}

static bool
is_exempt(const struct source_tokens *tokens, const struct in6_addr *source)
{
	if (tokens->rate == 0 || address_is_loopback(source))
		return true;
	for (size_t i = 0; i < tokens->n_exempt; i++)
		if (prefix_contains(&tokens->exempt[i], source))
			return true;
	return false;
}

uint32_t
source_tokens_take(struct source_tokens *tokens, const struct in6_addr *source,
        const struct train *train, uint64_t now_ns)
{
	uint32_t count = train_count(train), paid = 0;
	struct in6_addr payer;
	struct bucket *slot;
	size_t offset = 0, index;

	if (is_exempt(tokens, source))
		return count;
	payer = source_of(source);
	index = source_hash(&payer, &tokens->key) % SLOTS;
	tokens->touched[index / SAVED_SLOTS] = true;
	slot = &tokens->slots[index];
	for (; paid < count; paid++) {
		size_t piece = train_piece(train, offset);

		if (!bucket_take(slot, &tokens->rule, now_ns, reflection_price(piece)))
			break;
		offset += piece;
	}
	return paid;
}

void
source_tokens_save(
        const struct source_tokens *tokens, struct handover_writer *writer, uint64_t now_ns)
{
	struct handover_tokens saved;

	static_assert(sizeof(saved.key) == sizeof(tokens->key), "version 1");
	memcpy(saved.key, &tokens->key, sizeof(saved.key));
	for (saved.first = 0; saved.first < SLOTS; saved.first += SAVED_SLOTS) {
		const struct bucket *slots = &tokens->slots[saved.first];
		const struct handover_span span = {slots, SAVED_SLOTS * sizeof(*slots)};
		size_t i = tokens->touched[saved.first / SAVED_SLOTS] ? 0 : SAVED_SLOTS;

		while (i < SAVED_SLOTS && slots[i].full_at_ns <= now_ns)
			i++;
		if (i < SAVED_SLOTS)
			handover_write(writer, HANDOVER_TOKENS, &saved, &span, 1);
	}
}

/* Slots that are full again are left alone: their memory has not been touched. */
void
source_tokens_restore(
        struct source_tokens *tokens, const struct handover_record *record, uint64_t now_ns)
{
	const struct bucket *slots = (const struct bucket *)(const void *)record->tail;
	size_t count = record->tail_size / sizeof(*slots);
	uint64_t first = record->tokens.first;

	if (first > SLOTS || count > SLOTS - first)
		return;
	memcpy(&tokens->key, record->tokens.key, sizeof(tokens->key));
	for (size_t i = 0; i < count; i++)
		if (slots[i].full_at_ns > now_ns) {
			tokens->touched[(first + i) / SAVED_SLOTS] = true;
			tokens->slots[first + i] = slots[i];
		}
}
