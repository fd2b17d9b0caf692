/*
 * How many connections each source (source.h) has: an exact count with a limit.
 */
#pragma once

#include "echod/common/address.h"

#include <stdint.h>

struct source_limit;

/* The place of a connection whose peer has no internet address: it is not counted. */
#define SOURCE_LIMIT_NONE UINT32_MAX

/*
 * Makes a table for up to capacity connections, each source allowed limit (at least 1) of them.
 * Returns NULL and sets errno (mmap(2), getentropy(3)).
 */
struct source_limit *source_limit_new(uint32_t capacity, uint64_t limit);
void source_limit_free(struct source_limit *sources);

/*
 * Counts one more connection of the peer's source. Stores its place, to be handed back at the
 * connection's end. Returns 0, or -EDQUOT when the source has its limit (nothing is counted then).
 */
int source_limit_connect(struct source_limit *sources, const struct address *peer, uint32_t *place);

/* Counts a connection of before a reload, whatever the limit, and returns its place. */
uint32_t source_limit_restore(struct source_limit *sources, const struct address *peer);

void source_limit_disconnect(struct source_limit *sources, uint32_t place);
