/*
 * The stats socket: a client that connects gets all counters in Prometheus' text format, then end
 * of file. Nothing is read from it. It takes no slot of a connection, allocates nothing, and goes
 * on at the connection limit and while the daemon drains.
 */
#pragma once

#include "echod/stats.h"

#include <ev.h>

struct stats_socket;

struct stats_socket_config {
	struct ev_loop *loop;
	int listen_fd; /* the caller's */
	const struct stats *stats;
	void (*on_read)(void *owner); /* the counters are about to be shown */
	void *owner;
};

/* Starts to serve. Returns NULL and sets errno (ENOMEM). */
struct stats_socket *stats_socket_new(const struct stats_socket_config *config);
void stats_socket_free(struct stats_socket *stats_socket);
