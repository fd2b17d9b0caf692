/*
 * The one gate through which connections come in.
 *
 * It is open while there is room, while accepting has not failed for lack of something, while
 * --accept-rate has not been reached, and while the daemon is not stopping. While it is closed,
 * newcomers wait in the kernel's backlog (listen(2)).
 */
#ifndef ECHOD_ACCEPTOR_H
#define ECHOD_ACCEPTOR_H

#include "echod/connection.h"
#include "echod/listener.h"
#include "echod/stats.h"

struct acceptor;

struct acceptor_config {
	struct ev_loop *loop;
	struct connections *connections;
	struct stats *stats;
	uint64_t rate; /* connections a second, 0: no limit */
	/* Called when a newcomer waits and there is no room: makes some, if anybody has to give
	 * way. */
	bool (*make_room)(void *owner);
	void (*on_opened)(void *owner); /* a connection has come in */
	void *owner;
};

/*
 * Starts to accept on the stream sockets among the listeners, which stay the caller's.
 * Returns NULL and sets errno (ENOMEM).
 */
struct acceptor *acceptor_new(const struct acceptor_config *config, struct listeners *listeners);
void acceptor_free(struct acceptor *acceptor);

/* There is room again, or somebody who would give way. */
void acceptor_on_room(struct acceptor *acceptor);

/* Closes the gate for good: takes in who waits on our own listeners, as far as there is room and
 * accepting does not fail, then closes these, which resets the rest. Sockets that were handed over
 * are left to systemd, with who waits on them. */
void acceptor_drain(struct acceptor *acceptor);

#endif
