/*
 * Timeouts and eviction: closes connections that are idle or stalled, and, when all slots are
 * taken, the longest-idle connection.
 *
 * Instead of a timer for each connection, a tenth of the connections is examined ten times per
 * second, and a peer's acknowledgements are asked for then. So --idle-timeout comes at most 1.4 s
 * late, --stall-timeout 2.4 s, and the end of 3 s without a PROXY header 1.4 s. All come later when
 * the loop is starved, and never early: time in which the process was stopped does not count.
 * Connections that linger are examined at each tick. At the same ticks, the memory of rings that
 * were not lent for 5 s is given back to the system. The sweep sleeps while no connection is open
 * and no memory is left to give back.
 */
#pragma once

#include "echod/connection.h"

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct sweep;

struct sweep_config {
	struct ev_loop *loop;
	struct connections *connections;
	/* milliseconds; 0: never */
	uint64_t idle_timeout, idle_timeout_full, stall_timeout;
	/* An evictable connection has been found. */
	void (*on_evictable)(void *owner);
	void *owner;
};

/* Returns NULL and sets errno (ENOMEM). */
struct sweep *sweep_new(const struct sweep_config *config);
void sweep_free(struct sweep *sweep);

/* Call when a connection has been opened. */
void sweep_wake(struct sweep *sweep);

/*
 * When all slots are taken: returns whether a new connection can have one, because a lingering
 * connection has ended just now, or because a connection is idle longer than idle_timeout_full.
 * Searches all connections at most once per tick, so a connection that has become evictable since
 * may be passed over until the next tick.
 */
bool sweep_can_free_slot(struct sweep *sweep);

/*
 * Call before accepting: ends lingering connections whose peers have acknowledged everything since
 * the tick, so that they count for their sources no longer. As many are examined between two ticks
 * as at a tick at most, so that a flood of connections costs no more.
 */
void sweep_end_delivered(struct sweep *sweep);

/* Closes (CLOSE_FULL) the longest-idle connection if it is idle longer than idle_timeout_full. */
void sweep_free_slot(struct sweep *sweep);
