/*
 * Where a connection's bytes cross into the kernel. Nothing else calls recv(2) or send(2) on a
 * connection.
 *
 * One ring is at hand: every stream's bytes go through it in turn, and it stays in the cache. Only
 * when the kernel does not take them all is it lent to the stream, with the rest in it, until that
 * is sent. When all rings are lent, a stream is echoed without one: its bytes stay in the kernel's
 * receive queue, are looked at (MSG_PEEK), sent, and only then taken off the queue (MSG_TRUNC,
 * tcp(7)). No call waits, none allocates, SIGPIPE is never raised.
 */
#ifndef ECHOD_IO_H
#define ECHOD_IO_H

#include "echod/batch.h"
#include "echod/ring.h"
#include "echod/stats.h"

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What a connection begins with: the watcher (its fd is the peer's, its data the lent ring or
 * NULL). */
struct io_stream {
	struct ev_io watcher;
};

struct io;

/*
 * How a receive ended: received > 0 bytes, 0 for end of stream (FIN), or a negative errno, of which
 * -EAGAIN says that there is nothing now.
 */
typedef void io_received(void *owner, struct io_stream *stream, ssize_t received);

/*
 * How a send ended: sent bytes or a negative errno, of which -EAGAIN says that the kernel takes
 * nothing now. all is true when nothing of what was received is left unsent.
 */
typedef void io_sent(void *owner, struct io_stream *stream, ssize_t sent, bool all);

struct io_config {
	/* The batch way: receives and sends wait until the loop's turn has called everybody, and
	 * are then made together. NULL: the direct way. Both stay the caller's. */
	struct batch *batch;
	struct ev_loop *loop; /* for the batch way alone */
	size_t ring_size;     /* bytes, 1 to 2^31; rounded up to whole pages */
	size_t ring_memory;   /* bytes that all rings together may take; 0: no rings */
	struct stats *stats;
	io_received *on_received;
	io_sent *on_sent;
	void *owner;
};

/* Returns NULL and sets errno (mmap(2)). */
struct io *io_new(const struct io_config *config);
void io_free(struct io *io);

/* One receive, answered through on_received before the call returns, or before the turn ends. To be
 * called when the stream has room: it holds no ring, or one that is not full. What was received
 * without a ring is to be sent from within on_received, or else is lost. */
void io_receive(struct io *io, struct io_stream *stream);

/* One send of what the stream has received and not sent, answered through on_sent likewise. */
void io_send(struct io *io, struct io_stream *stream);

/* Takes the stream's ring back, with the bytes in it, and forgets what it waits for. Before the
 * stream's end. */
void io_release(struct io *io, struct io_stream *stream);

/* Bytes in the stream's ring; what waits in the kernel is not counted. */
size_t io_held(const struct io_stream *stream);

/* Rings lent to streams now. */
size_t io_rings_lent(const struct io *io);

/* Gives back to the system what rings held that are not needed; see ring_pool_trim(). */
bool io_trim(struct io *io, uint32_t looks_a_round);

#endif
