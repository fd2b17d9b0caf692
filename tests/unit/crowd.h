/*
 * Connections for the sweep to look at, and time that passes only when the test says so.
 */
#pragma once

#include "echod/connection_begin.h"
#include "echod/sweep.h"

struct crowd {
	struct ev_loop *loop;
	struct stats stats;
	struct connections *connections;
	struct sweep *sweep;
	size_t reports; /* calls of on_evictable */
};

extern struct crowd crowd;

/* timeouts: of the config, only these; its loop, connections and callback are the crowd's. */
void crowd_gather(uint32_t limit, struct sweep_config timeouts);

/* Takes all down, and fails when the sweep has left something in the loop. */
void crowd_disperse(void);

/* Opens one more, as the acceptor does. */
struct connection *crowd_join(void);

/* Frees a slot if one can be freed. Returns whether it did. */
bool crowd_evict(void);

/* What the echo of bytes leaves behind. */
void crowd_moves(struct connection *c);

/* Time passes in small steps, with iterations of the loop as they become due. */
void crowd_pass(uint64_t time_ms);

/* The process was stopped for so long: one iteration, late. */
void crowd_stop(uint64_t time_ms);
