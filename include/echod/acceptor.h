/*
 * The one gate through which connections come in.
 *
 * It is open while a slot is free or a connection can be evicted, accepting has not failed for lack
 * of descriptors or memory, --accept-rate permits it, and the daemon is not stopping. While it is
 * closed, new connections wait in the kernel's backlog (listen(2)).
 */
#pragma once

#include "echod/bucket.h"
#include "echod/connection.h"
#include "echod/gate.h"
#include "echod/listeners.h"
#include "echod/stats.h"
#include "echod/sweep.h"

struct acceptor;

struct acceptor_config {
	struct ev_loop *loop;
	struct connections *connections;
	struct sweep *sweep; /* is asked to free a slot when all are taken */
	struct stats *stats;
	uint64_t rate; /* connections per second, 0: no limit */
};

/*
 * Starts to accept on the stream sockets among the listeners, which stay the caller's.
 * Returns NULL and sets errno (ENOMEM).
 */
struct acceptor *acceptor_new(const struct acceptor_config *config, struct listeners *listeners);
void acceptor_free(struct acceptor *acceptor);

/* The bucket of --accept-rate, to be saved and restored. */
struct bucket *acceptor_bucket(struct acceptor *acceptor);

/* Accepts what waits on a listener, as long as slots are free and accepting does not fail. */
void acceptor_empty(struct acceptor *acceptor, const struct listener *listener);

/* A slot is free, or a connection has become evictable. */
void acceptor_on_room(struct acceptor *acceptor);

/*
 * Closes the gate for good: empties our own listeners and closes them, which resets the rest.
 * Sockets that were handed over stay with systemd, and so do the connections that wait on them.
 */
void acceptor_drain(struct acceptor *acceptor);
