/*
 * The way of a byte: what a peer sends is received and sent back to it, in order and unchanged
 * (RFC 862). Nothing else calls recv(2) or send(2) on a connection's socket.
 *
 * All connections share one ring, which so stays in the cache. Only when the kernel does not take
 * all the bytes is it lent to the connection, with the rest in it, and the next free ring becomes
 * the shared one. When all rings are lent, bytes are echoed without one: peeked at (MSG_PEEK),
 * sent, and only then consumed (MSG_TRUNC, tcp(7)); what is not sent stays in the kernel. No call
 * waits, nothing is allocated, SIGPIPE is never raised.
 */
#pragma once

#include "echod/proxy_header.h"
#include "echod/ring_pool.h"
#include "echod/stats.h"

#include <assert.h>
#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One cache line. An idle connection costs this and libev's entry for its descriptor. */
struct connection {
	struct ev_io watcher; /* fd: the peer's socket; data: the ring lent to it, or NULL */
	uint64_t sent;        /* bytes sent back */
	union {
		uint32_t active_at;       /* when bytes last moved: echo.now at that time */
		uint32_t linger_position; /* while it lingers (connection.h) */
	};
	bool open;     /* false while the slot is free */
	bool finished; /* the peer has sent FIN */
	bool blocked;  /* the kernel does not take all the bytes now */
	bool lingers;  /* finished, and not all bytes are acknowledged */
};
static_assert(sizeof(struct connection) == 64, "a connection is one cache line");

/* What all connections share. */
struct echo {
	struct ev_loop *loop; /* the caller's */
	struct stats *stats;  /* the caller's */
	uint32_t now;         /* ticks of a tenth of a second, wraps; the owner advances it */
	struct ring_pool rings;
	struct ring *shared;    /* NULL: all rings are lent */
	unsigned char *scratch; /* owned; where bytes are peeked at then */
	/* where the next receive goes: the shared ring, or the scratch buffer */
	unsigned char *bytes;
	size_t size;
	int receive_flags;
};

enum {
	ECHO_FINISHED = 1,  /* the peer has sent FIN, and all its bytes have been sent back */
	ECHO_NO_HEADER = 2, /* what the peer sent does not begin with a PROXY header */
};

/*
 * Maps rings of ring_size bytes (1 to 2^31, rounded up to whole pages), as many as fit into
 * ring_memory bytes, which may be none, and so many are reserved for echo_restore(). Returns 0 or a
 * negative errno (mmap(2)). Call echo_free() whatever the outcome.
 */
int echo_init(struct echo *echo, struct ev_loop *loop, struct stats *stats, size_t ring_size,
        size_t ring_memory, uint32_t reserved);
void echo_free(struct echo *echo);

/*
 * Moves the bytes of a connection for which epoll reported these events (EV_READ, EV_WRITE,
 * EV_ERROR): at most one receive and one send, and the watcher then waits for what is needed next.
 * Returns 0 while the connection goes on, ECHO_FINISHED, or a negative errno that ended it.
 */
int echo_on_ready(struct echo *echo, struct connection *connection, int events);

/*
 * Takes the PROXY header that the peer's bytes begin with, and nothing else of them. Returns 0;
 * -EAGAIN while not all of it is there; ECHO_NO_HEADER; or another negative errno.
 */
int echo_take_header(
        struct echo *echo, const struct connection *connection, struct proxy_header *header);

/* The events that a connection waits for (EV_READ, EV_WRITE): derived, never stored. */
int echo_interest(const struct connection *connection);

/* Lends a reserved ring with these bytes in it, at least one and no more than it holds. */
void echo_restore(struct echo *echo, struct connection *connection, const void *bytes, size_t size);

/* Bytes in the connection's ring; what waits in the kernel is not counted. */
size_t echo_held(const struct connection *connection);

/* Takes the connection's ring back, with the bytes in it. A connection without one is fine. */
void echo_release(struct echo *echo, struct connection *connection);

/* The number of rings lent to connections now. */
size_t echo_rings_lent(const struct echo *echo);
