#include "echod/source_tokens.h"

#include "echod/bucket.h"
#include "echod/common/address.h"
#include "echod/common/reflection.h"
#include "echod/pool.h"
#include "echod/source.h"

#include <errno.h>
#include <unistd.h>

enum {
	SLOTS = 1 << 16, /* 512 KiB; a flood of a million sources per second is 16 per slot */
};

struct source_tokens {
	const struct prefix *exempt;
	size_t n_exempt;
	uint64_t rate;
	struct bucket_rule rule;
	struct source_key key;
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
	size_t offset = 0;

	if (is_exempt(tokens, source))
		return count;
	payer = source_of(source);
	slot = &tokens->slots[source_hash(&payer, &tokens->key) % SLOTS];
	for (; paid < count; paid++) {
		size_t piece = train_piece(train, offset);

		if (!bucket_take(slot, &tokens->rule, now_ns, reflection_price(piece)))
			break;
		offset += piece;
	}
	return paid;
}
