/*
 * Who has waited too long: connections that are idle, stalled, or in the way when all are taken.
 *
 * Instead of a timer a connection, ten times a second a tenth of the connections is looked at, so a
 * timeout comes at most 1.4 s late, later when the loop is starved, and never early: time in which
 * the process was stopped does not count against anybody. On the way, the memory of rings that were
 * not lent for 5 s goes back to the system. The sweep sleeps while nothing is open and nothing is
 * left to give back.
 */
#ifndef ECHOD_SWEEP_H
#define ECHOD_SWEEP_H

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
	/* Called when a connection was seen that would give way to a newcomer. */
	void (*on_dispensable)(void *owner);
	void *owner;
};

/* Returns NULL and sets errno (ENOMEM). */
struct sweep *sweep_new(const struct sweep_config *config);
void sweep_free(struct sweep *sweep);

/* A connection has been opened: there is something to look at. */
void sweep_wake(struct sweep *sweep);

/*
 * Closes (CLOSE_FULL) the connection idle longest, if it is idle longer than idle_timeout_full.
 * Returns whether it did. Looks through all connections at most once a tick, so one that has become
 * dispensable since then may be passed over until the next.
 */
bool sweep_make_room(struct sweep *sweep);

#endif
