#include "echod/sources.h"

#include "echod/bucket.h"
#include "echod/common/reflection.h"
#include "echod/pool.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SLOTS = 1 << 16, /* 512 KiB; a flood of a million sources a second is 16 a slot */
};

struct entry {
	uint64_t pooled; /* the pool's while the entry is not lent */
	struct in6_addr source;
	uint32_t connections;
	uint32_t next; /* the next entry's index + 1 in the same bucket, or 0 */
};

struct sources {
	struct pool entries;
	uint32_t *heads; /* an entry's index + 1, or 0 */
	uint64_t mask;
	uint64_t limit;
	unsigned char key[crypto_shorthash_KEYBYTES];
};

struct source_tokens {
	struct source_tokens_config config;
	struct bucket_rule rule;
	unsigned char key[crypto_shorthash_KEYBYTES];
	struct bucket slots[SLOTS];
};

/* The source that an address belongs to: IPv4 as it is, IPv6 without its lower half. */
static struct in6_addr
source_of(const struct in6_addr *address)
{
	struct in6_addr source = *address;

	if (!IN6_IS_ADDR_V4MAPPED(address))
		memset(&source.s6_addr[8], 0, 8);
	return source;
}

static uint64_t
hash_of(const struct in6_addr *source, const unsigned char *key)
{
	uint64_t hash;

	crypto_shorthash((unsigned char *)&hash, source->s6_addr, sizeof(*source), key);
	return hash;
}

struct sources *
sources_new(uint32_t capacity, uint64_t limit)
{
	struct sources *sources = calloc(1, sizeof(*sources));
	uint64_t n_heads = 1;

	if (!sources)
		return NULL;
	while (n_heads < capacity)
		n_heads *= 2;
	sources->limit = limit;
	sources->mask = n_heads - 1;
	sources->heads = pool_map(n_heads * sizeof(*sources->heads));
	if (!sources->heads || getentropy(sources->key, sizeof(sources->key)) < 0 ||
	        pool_init(&sources->entries, capacity, sizeof(struct entry)) < 0) {
		int error = errno;

		sources_free(sources);
		errno = error;
		return NULL;
	}
	return sources;
}

void
sources_free(struct sources *sources)
{
	if (!sources)
		return;
	pool_unmap(sources->heads, (sources->mask + 1) * sizeof(*sources->heads));
	pool_free(&sources->entries);
	free(sources);
}

static uint32_t *
head_of(struct sources *sources, const struct in6_addr *source)
{
	return &sources->heads[hash_of(source, sources->key) & sources->mask];
}

static struct entry *
entry_at(struct sources *sources, uint32_t link)
{
	return link ? pool_at(&sources->entries, link - 1) : NULL;
}

int
sources_connect(struct sources *sources, const struct address *peer, uint32_t *place)
{
	struct in6_addr address, source;
	struct entry *entry;
	uint32_t *head;

	*place = SOURCES_NONE;
	if (!address_as_ipv6(peer, &address))
		return 0;
	source = source_of(&address);
	head = head_of(sources, &source);
	for (entry = entry_at(sources, *head); entry; entry = entry_at(sources, entry->next))
		if (memcmp(&entry->source, &source, sizeof(source)) == 0)
			break;
	if (entry && entry->connections >= sources->limit)
		return -EDQUOT;
	if (!entry) {
		/* Never out of entries: there are as many as connections. */
		entry = pool_take(&sources->entries);
		*entry = (struct entry){.source = source, .next = *head};
		*head = pool_index(&sources->entries, entry) + 1;
	}
	entry->connections++;
	*place = pool_index(&sources->entries, entry);
	return 0;
}

void
sources_disconnect(struct sources *sources, uint32_t place)
{
	struct entry *entry;
	uint32_t *link;

	if (place == SOURCES_NONE)
		return;
	entry = entry_at(sources, place + 1);
	if (--entry->connections > 0)
		return;
	for (link = head_of(sources, &entry->source); *link != place + 1;)
		link = &entry_at(sources, *link)->next;
	*link = entry->next;
	pool_give(&sources->entries, entry);
}

struct source_tokens *
source_tokens_new(const struct source_tokens_config *config)
{
	struct source_tokens *tokens = pool_map(sizeof(*tokens));

	if (!tokens)
		return NULL;
	if (getentropy(tokens->key, sizeof(tokens->key)) < 0) {
		int error = errno;

		source_tokens_free(tokens);
		errno = error;
		return NULL;
	}
	tokens->config = *config;
	tokens->rule = bucket_rule(config->rate, 2 * config->rate);
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
	static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;

	if (tokens->config.rate == 0 || IN6_ARE_ADDR_EQUAL(source, &loopback) ||
	        (IN6_IS_ADDR_V4MAPPED(source) && source->s6_addr[12] == 127))
		return true;
	for (size_t i = 0; i < tokens->config.n_exempt; i++)
		if (prefix_contains(&tokens->config.exempt[i], source))
			return true;
	return false;
}

static uint64_t
price_of(size_t length)
{
	return length > REFLECTION_UNIT ? (length + REFLECTION_UNIT - 1) / REFLECTION_UNIT : 1;
}

uint32_t
sources_take(struct source_tokens *tokens, const struct in6_addr *source, const struct train *train,
        uint64_t now_ns)
{
	uint32_t count = train_count(train), paid = 0;
	struct in6_addr payer;
	struct bucket *slot;
	size_t offset = 0;

	if (is_exempt(tokens, source))
		return count;
	payer = source_of(source);
	slot = &tokens->slots[hash_of(&payer, tokens->key) % SLOTS];
	for (; paid < count; paid++) {
		size_t piece = train_piece(train, offset);

		if (!bucket_take(slot, &tokens->rule, now_ns, price_of(piece)))
			break;
		offset += piece;
	}
	return paid;
}
