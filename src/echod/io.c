#include "echod/io.h"

#include "echod/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SCRATCH_SIZE = 64 * 1024, /* bytes echoed at once without a ring */
};

struct io {
	struct io_config config;
	struct pool rings; /* of struct ring; each keeps its bytes from its first lending on */
	unsigned char *ring_bytes;
	size_t ring_bytes_length;
	unsigned char *scratch;
	size_t peeked; /* bytes of the current stream in scratch, not yet sent */
};

struct io *
io_new(const struct io_config *config)
{
	struct io *io = calloc(1, sizeof(*io));
	size_t page = (size_t)sysconf(_SC_PAGESIZE), count;

	if (!io)
		return NULL;
	io->config = *config;
	io->config.ring_size = (config->ring_size + page - 1) / page * page;
	count = config->ring_memory / io->config.ring_size;
	io->scratch = pool_map(SCRATCH_SIZE);
	io->ring_bytes_length = count * io->config.ring_size;
	if (count > 0)
		io->ring_bytes = pool_map(io->ring_bytes_length);
	if (!io->scratch || (count > 0 && !io->ring_bytes) ||
	        pool_init(&io->rings, (uint32_t)count, sizeof(struct ring)) < 0) {
		io_free(io);
		errno = ENOMEM;
		return NULL;
	}
	return io;
}

void
io_free(struct io *io)
{
	if (!io)
		return;
	pool_unmap(io->ring_bytes, io->ring_bytes_length);
	pool_unmap(io->scratch, SCRATCH_SIZE);
	pool_free(&io->rings);
	free(io);
}

static struct ring *
lend_ring(struct io *io)
{
	struct ring *ring = pool_take(&io->rings);

	if (ring && !ring->bytes)
		ring_init(ring,
		        io->ring_bytes + pool_index(&io->rings, ring) * io->config.ring_size,
		        (uint32_t)io->config.ring_size);
	return ring;
}

void
io_release(struct io *io, struct io_stream *stream)
{
	struct ring *ring = stream->watcher.data;

	if (!ring)
		return;
	stream->watcher.data = NULL;
	ring->head = ring->used = 0;
	pool_give(&io->rings, ring);
}

/* recv(2) or send(2)'s result as this module speaks of it. */
static ssize_t
outcome(ssize_t result)
{
	if (result >= 0)
		return result;
	return errno == EINTR ? -EAGAIN : -errno;
}

static void
receive_without_ring(struct io *io, struct io_stream *stream)
{
	ssize_t received = outcome(
	        recv(stream->watcher.fd, io->scratch, SCRATCH_SIZE, MSG_PEEK | MSG_DONTWAIT));

	io->config.stats->tcp_without_ring++;
	io->peeked = received > 0 ? (size_t)received : 0;
	io->config.on_received(io->config.owner, stream, received);
	io->peeked = 0;
}

void
io_receive(struct io *io, struct io_stream *stream)
{
	struct ring *ring = stream->watcher.data;
	ssize_t received;
	size_t room;
	void *span;

	if (!ring) {
		ring = lend_ring(io);
		if (!ring) {
			receive_without_ring(io, stream);
			return;
		}
		stream->watcher.data = ring;
	}
	span = ring_free_span(ring, &room);
	received = outcome(recv(stream->watcher.fd, span, room, MSG_DONTWAIT));
	if (received > 0) {
		ring_commit(ring, (size_t)received);
		io->config.stats->tcp_received_bytes += (uint64_t)received;
	} else if (ring->used == 0) {
		io_release(io, stream);
	}
	io->config.on_received(io->config.owner, stream, received);
}

/* Takes off the receive queue what was sent from a look at it. It is there: nobody else reads. */
static int
take_peeked(struct io *io, struct io_stream *stream, size_t length)
{
	while (length > 0) {
		/* TCP throws them away; other families need somewhere to put them. */
		ssize_t taken =
		        recv(stream->watcher.fd, io->scratch, length, MSG_TRUNC | MSG_DONTWAIT);

		if (taken < 0 && errno == EINTR)
			continue;
		if (taken <= 0)
			return taken < 0 ? -errno : -EPROTO;
		length -= (size_t)taken;
	}
	return 0;
}

static void
send_without_ring(struct io *io, struct io_stream *stream)
{
	ssize_t sent = outcome(
	        send(stream->watcher.fd, io->scratch, io->peeked, MSG_DONTWAIT | MSG_NOSIGNAL));
	bool all = sent == (ssize_t)io->peeked;

	if (sent > 0) {
		int error = take_peeked(io, stream, (size_t)sent);

		io->config.stats->tcp_received_bytes += (uint64_t)sent;
		io->config.stats->tcp_sent_bytes += (uint64_t)sent;
		if (error)
			sent = error;
	}
	io->config.on_sent(io->config.owner, stream, sent, all);
}

void
io_send(struct io *io, struct io_stream *stream)
{
	struct ring *ring = stream->watcher.data;
	const void *span;
	size_t length;
	ssize_t sent;
	bool all;

	if (!ring) {
		send_without_ring(io, stream);
		return;
	}
	span = ring_used_span(ring, &length);
	sent = outcome(send(stream->watcher.fd, span, length, MSG_DONTWAIT | MSG_NOSIGNAL));
	if (sent > 0) {
		ring_consume(ring, (size_t)sent);
		io->config.stats->tcp_sent_bytes += (uint64_t)sent;
	}
	all = ring->used == 0;
	if (all)
		io_release(io, stream);
	io->config.on_sent(io->config.owner, stream, sent, all);
}

size_t
io_held(const struct io_stream *stream)
{
	const struct ring *ring = stream->watcher.data;

	return ring ? ring->used : 0;
}

size_t
io_rings_lent(const struct io *io)
{
	return io->rings.lent;
}
