#include "echod/source_limit.h"

#include "echod/pool.h"
#include "echod/source.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct entry {
	uint64_t pooled; /* the pool's while the entry is not lent */
	struct in6_addr source;
	uint32_t connections;
	uint32_t next; /* the next entry's index + 1 in the same chain, or 0 */
};

/* With up to two heads: docs/architecture.md, "Memory". */
static_assert(sizeof(struct entry) + 2 * sizeof(uint32_t) == 40, "");

struct source_limit {
	struct pool entries;
	uint32_t *heads; /* of the chains: an entry's index + 1, or 0 */
	uint64_t mask;
	uint64_t limit;
	struct source_key key;
};

struct source_limit *
source_limit_new(uint32_t capacity, uint64_t limit)
{
	struct source_limit *sources = calloc(1, sizeof(*sources));
	uint64_t n_heads = 1;

	if (!sources)
		return NULL;
	while (n_heads < capacity)
		n_heads *= 2;
	sources->limit = limit;
	sources->mask = n_heads - 1;
	sources->heads = pool_map(n_heads * sizeof(*sources->heads));
	if (!sources->heads || getentropy(&sources->key, sizeof(sources->key)) < 0 ||
	        pool_init(&sources->entries, capacity, sizeof(struct entry)) < 0) {
		int error = errno;

		source_limit_free(sources);
		errno = error;
		return NULL;
	}
	return sources;
}

void
source_limit_free(struct source_limit *sources)
{
	if (!sources)
		return;
	pool_unmap(sources->heads, (sources->mask + 1) * sizeof(*sources->heads));
	pool_free(&sources->entries);
	free(sources);
}

static uint32_t *
head_of(struct source_limit *sources, const struct in6_addr *source)
{
	return &sources->heads[source_hash(source, &sources->key) & sources->mask];
}

static struct entry *
entry_at(struct source_limit *sources, uint32_t link)
{
	return link ? pool_at(&sources->entries, link - 1) : NULL;
}

static int
count_connection(
        struct source_limit *sources, const struct address *peer, uint64_t limit, uint32_t *place)
{
	struct in6_addr address, source;
	struct entry *entry;
	uint32_t *head;

	*place = SOURCE_LIMIT_NONE;
	if (!address_as_ipv6(peer, &address))
		return 0;
	source = source_of(&address);
	head = head_of(sources, &source);
	for (entry = entry_at(sources, *head); entry; entry = entry_at(sources, entry->next))
		if (memcmp(&entry->source, &source, sizeof(source)) == 0)
			break;
	if (entry && entry->connections >= limit)
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

int
source_limit_connect(struct source_limit *sources, const struct address *peer, uint32_t *place)
{
	return count_connection(sources, peer, sources->limit, place);
}

uint32_t
source_limit_restore(struct source_limit *sources, const struct address *peer)
{
	uint32_t place;

	count_connection(sources, peer, UINT64_MAX, &place);
	return place;
}

void
source_limit_disconnect(struct source_limit *sources, uint32_t place)
{
	struct entry *entry;
	uint32_t *link;

	if (place == SOURCE_LIMIT_NONE)
		return;
	entry = entry_at(sources, place + 1);
	if (--entry->connections > 0)
		return;
	for (link = head_of(sources, &entry->source); *link != place + 1;)
		link = &entry_at(sources, *link)->next;
	*link = entry->next;
	pool_give(&sources->entries, entry);
}
