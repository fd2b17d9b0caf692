#include "echod/sources.h"

#include "echod/pool.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* What is hashed and compared: no padding. */
struct source {
	uint64_t family;
	uint64_t prefix; /* the IPv4 address, or the upper half of the IPv6 one */
};

struct entry {
	uint64_t pooled; /* the pool's while the entry is not lent */
	struct source source;
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
	crypto_shorthash_keygen(sources->key);
	if (!sources->heads || pool_init(&sources->entries, capacity, sizeof(struct entry)) < 0) {
		sources_free(sources);
		errno = ENOMEM;
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

static int
source_of(const struct address *peer, struct source *source)
{
	struct in_addr ipv4;

	*source = (struct source){0};
	if (address_as_ipv4(peer, &ipv4)) {
		source->family = AF_INET;
		source->prefix = ipv4.s_addr;
	} else if (peer->any.sa_family == AF_INET6) {
		source->family = AF_INET6;
		memcpy(&source->prefix, &peer->in6.sin6_addr, sizeof(source->prefix));
	} else {
		return -EAFNOSUPPORT;
	}
	return 0;
}

static uint32_t *
head_of(struct sources *sources, const struct source *source)
{
	uint64_t hash;

	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)source, sizeof(*source),
	        sources->key);
	return &sources->heads[hash & sources->mask];
}

static struct entry *
entry_at(struct sources *sources, uint32_t link)
{
	return link ? pool_at(&sources->entries, link - 1) : NULL;
}

int
sources_connect(struct sources *sources, const struct address *peer, uint32_t *place)
{
	struct source source;
	struct entry *entry;
	uint32_t *head;

	*place = SOURCES_NONE;
	if (source_of(peer, &source) < 0)
		return 0;
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
