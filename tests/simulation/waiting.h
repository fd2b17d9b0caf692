/*
 * A listening TCP socket and the connections that wait on it to be accepted (listen(2)).
 */
#pragma once

#include "stream.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	WAITING_MOST = 4097,
	LISTENERS_MOST = 2,
};

struct waiting {
	int listen_fd;
	bool listening, handed_over;
	int family, keepalive_s; /* as in stream.h */
	struct stream *queue[WAITING_MOST];
	uint32_t head, count, backlog;
};

void waiting_begin(void);

/* A TCP socket becomes one of the listeners; it cannot be connected to before waiting_listen(). */
struct waiting *waiting_new(int listen_fd, bool handed_over, int family);
void waiting_listen(struct waiting *waiting, uint32_t backlog);

/* The daemon closes its descriptor. What waits is reset, unless systemd holds the socket, too. */
void waiting_close(struct waiting *waiting);

/* Listeners that can be connected to, and how many. */
uint32_t waiting_listeners(struct waiting **some);

/* A peer connects. Returns false when the backlog is full: it has to try again. */
bool waiting_enter(struct waiting *waiting, struct stream *stream);

/* The one that waits longest, or NULL. */
struct stream *waiting_take(struct waiting *waiting);

/* How many wait on all listeners together. */
uint32_t waiting_count(void);

uint32_t waiting_readiness(const struct waiting *waiting);
