/*
 * What each source address is using. A source is an IPv4 address, or the /64 of an IPv6 address:
 * the least that one customer is given (RFC 6177), so more addresses from it are not more peers.
 *
 * The tables are keyed with SipHash and a random key (libsodium), so nobody can choose addresses
 * that collide.
 */
#ifndef ECHOD_SOURCES_H
#define ECHOD_SOURCES_H

#include "echod/address.h"

#include <stdint.h>

struct sources;

/* A connection's place in the table; what has no address has none. */
#define SOURCES_NONE UINT32_MAX

/*
 * Makes a table for up to capacity connections, each source allowed limit (at least 1) of them.
 * Returns NULL and sets errno to ENOMEM.
 */
struct sources *sources_new(uint32_t capacity, uint64_t limit);
void sources_free(struct sources *sources);

/*
 * Counts one more connection of this source, exactly. Stores its place, to be handed back at the
 * connection's end. Returns 0, or -EDQUOT when the source has its limit (nothing is counted then).
 */
int sources_connect(struct sources *sources, const struct address *peer, uint32_t *place);
void sources_disconnect(struct sources *sources, uint32_t place);

#endif
