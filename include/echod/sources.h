/*
 * What each source address is using. A source is an IPv4 address, or the /64 of an IPv6 address:
 * the least that one customer is given (RFC 6177), so more addresses from it are not more peers.
 *
 * The tables are keyed with SipHash and a random key (libsodium), so nobody can choose addresses
 * that collide.
 */
#ifndef ECHOD_SOURCES_H
#define ECHOD_SOURCES_H

#include "echod/common/address.h"
#include "echod/common/prefix.h"
#include "echod/train.h"

#include <stdint.h>

struct sources;

/* A connection's place in the table; what has no address has none. */
#define SOURCES_NONE UINT32_MAX

/*
 * Makes a table for up to capacity connections, each source allowed limit (at least 1) of them.
 * Returns NULL and sets errno (mmap(2), getentropy(3)).
 */
struct sources *sources_new(uint32_t capacity, uint64_t limit);
void sources_free(struct sources *sources);

/*
 * Counts one more connection of this source, exactly. Stores its place, to be handed back at the
 * connection's end. Returns 0, or -EDQUOT when the source has its limit (nothing is counted then).
 */
int sources_connect(struct sources *sources, const struct address *peer, uint32_t *place);
void sources_disconnect(struct sources *sources, uint32_t place);

/*
 * Tokens of the sources of datagrams. They live in a fixed number of slots, and sources that fall
 * on the same slot share its tokens: a flood of forged sources takes no memory and evicts nobody.
 */
struct source_tokens;

struct source_tokens_config {
	uint64_t rate;               /* tokens a second, and twice as many at once; 0: no limit */
	const struct prefix *exempt; /* n_exempt sources without a limit; the caller's, kept */
	size_t n_exempt;
};

/* Returns NULL and sets errno (mmap(2), getentropy(3)). */
struct source_tokens *source_tokens_new(const struct source_tokens_config *config);
void source_tokens_free(struct source_tokens *tokens);

/*
 * Pays, a token for each started REFLECTION_UNIT bytes and one for an empty datagram, for the
 * datagrams of a train from the first on, as far as the tokens of its source (IPv4:
 * v4-mapped) go, and returns for how many. Loopback sources and exempt ones always pay for all.
 * now_ns: CLOCK_MONOTONIC.
 */
uint32_t sources_take(struct source_tokens *tokens, const struct in6_addr *source,
        const struct train *train, uint64_t now_ns);

#endif
