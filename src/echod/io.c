#include "echod/io.h"

#include "echod/ring_pool.h"
#include "echod/turn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SCRATCH_SIZE = 64 * 1024, /* bytes echoed at once without a ring */
};

struct io {
	struct io_config config;
	struct ring_pool rings;
	unsigned char *scratch;
	/* What streams without a ring receive into, one after the other: the bytes of the ring at
	 * hand, which is lent only when they cannot all be sent at once; or, when all rings are
	 * lent, the scratch, for a look. */
	struct ring *ring_at_hand;
	unsigned char *hand;
	size_t hand_size;
	int hand_flags;
	size_t in_hand;    /* bytes of the stream whose turn it is */
	struct turn *turn; /* NULL: the direct way */
};

/* ring may be NULL: all are lent. */
static void
take_in_hand(struct io *io, struct ring *ring)
{
	io->ring_at_hand = ring;
	io->hand = ring ? ring->bytes : io->scratch;
	io->hand_size = ring ? ring->size : SCRATCH_SIZE;
	io->hand_flags = ring ? MSG_DONTWAIT : MSG_DONTWAIT | MSG_PEEK;
}

static bool io_prepare_receive(void *owner, void *stream, bool alone, struct batch_call *call);
static bool io_prepare_send(void *owner, void *stream, bool alone, struct batch_call *call);
static void io_on_received_into_ring(void *owner, void *stream, ssize_t received);
static void io_on_sent_from_ring(void *owner, void *stream, ssize_t sent);

struct io *
io_new(const struct io_config *config)
{
	struct io *io = calloc(1, sizeof(*io));
	const struct turn_config turn_config = {
	        .loop = config->loop,
	        .batch = config->batch,
	        .receives = {io_prepare_receive, io_on_received_into_ring},
	        .sends = {io_prepare_send, io_on_sent_from_ring},
	        .owner = io,
	};

	if (!io)
		return NULL;
	io->config = *config;
	io->scratch = pool_map(SCRATCH_SIZE);
	if (!io->scratch ||
	        ring_pool_init(&io->rings, config->ring_size, config->ring_memory) < 0 ||
	        (config->batch && !(io->turn = turn_new(&turn_config)))) {
		int error = errno;

		io_free(io);
		errno = error;
		return NULL;
	}
	take_in_hand(io, ring_pool_take(&io->rings));
	return io;
}

void
io_free(struct io *io)
{
	if (!io)
		return;
	turn_free(io->turn);
	ring_pool_free(&io->rings);
	pool_unmap(io->scratch, SCRATCH_SIZE);
	free(io);
}

static void
take_ring(struct io *io, struct io_stream *stream)
{
	struct ring *ring = stream->watcher.data;

	if (!ring)
		return;
	stream->watcher.data = NULL;
	ring_pool_give(&io->rings, ring);
	if (!io->ring_at_hand)
		take_in_hand(io, ring_pool_take(&io->rings));
}

void
io_release(struct io *io, struct io_stream *stream)
{
	take_ring(io, stream);
	if (io->turn)
		turn_forget(io->turn, stream);
}

/* recv(2) or send(2)'s result as this module speaks of it. */
static ssize_t
outcome(ssize_t result)
{
	if (result >= 0)
		return result;
	return errno == EINTR ? -EAGAIN : -errno;
}

/*
 * What few echoes need stays out of line here, so that the way of all the others is short
 * (tests/system/test_instructions.py counts it).
 */

/* What the kernel did not take of the bytes in hand goes to the stream, with the ring. */
__attribute__((noinline)) static void
lend(struct io *io, struct io_stream *stream, size_t sent)
{
	struct ring *ring = io->ring_at_hand;

	ring_commit(ring, io->in_hand);
	ring_consume(ring, sent);
	stream->watcher.data = ring;
	take_in_hand(io, ring_pool_take(&io->rings));
}

static void
io_on_received_into_ring(void *owner, void *of, ssize_t received)
{
	struct io *io = owner;
	struct io_stream *stream = of;
	struct ring *ring = stream->watcher.data;

	if (received > 0) {
		ring_commit(ring, (size_t)received);
		io->config.stats->tcp_received_bytes += (uint64_t)received;
	} else if (ring->used == 0) {
		take_ring(io, stream);
	}
	io->config.on_received(io->config.owner, stream, received);
}

__attribute__((noinline)) static void
receive_into_ring(struct io *io, struct io_stream *stream)
{
	size_t room;
	void *span = ring_free_span(stream->watcher.data, &room);

	io_on_received_into_ring(
	        io, stream, outcome(recv(stream->watcher.fd, span, room, MSG_DONTWAIT)));
}

static void
receive_now(struct io *io, struct io_stream *stream)
{
	ssize_t received;

	if (stream->watcher.data) {
		receive_into_ring(io, stream);
		return;
	}
	received = outcome(recv(stream->watcher.fd, io->hand, io->hand_size, io->hand_flags));
	io->in_hand = received > 0 ? (size_t)received : 0;
	if (io->ring_at_hand)
		io->config.stats->tcp_received_bytes += io->in_hand;
	else
		io->config.stats->tcp_without_ring++;
	io->config.on_received(io->config.owner, stream, received);
}

void
io_receive(struct io *io, struct io_stream *stream)
{
	if (io->turn)
		turn_receive(io->turn, stream);
	else
		receive_now(io, stream);
}

/* Takes off the receive queue what was sent from a look at it. It is there: nobody else reads. */
__attribute__((noinline)) static int
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
io_on_sent_from_ring(void *owner, void *of, ssize_t sent)
{
	struct io *io = owner;
	struct io_stream *stream = of;
	struct ring *ring = stream->watcher.data;
	bool all;

	if (sent > 0) {
		ring_consume(ring, (size_t)sent);
		io->config.stats->tcp_sent_bytes += (uint64_t)sent;
	}
	all = ring->used == 0;
	if (all)
		take_ring(io, stream);
	io->config.on_sent(io->config.owner, stream, sent, all);
}

__attribute__((noinline)) static void
send_from_ring(struct io *io, struct io_stream *stream)
{
	size_t length;
	const void *span = ring_used_span(stream->watcher.data, &length);

	io_on_sent_from_ring(io, stream,
	        outcome(send(stream->watcher.fd, span, length, MSG_DONTWAIT | MSG_NOSIGNAL)));
}

void
io_send(struct io *io, struct io_stream *stream)
{
	ssize_t sent;
	size_t taken;
	bool all;

	if (stream->watcher.data) {
		if (io->turn)
			turn_send(io->turn, stream);
		else
			send_from_ring(io, stream);
		return;
	}
	sent = outcome(
	        send(stream->watcher.fd, io->hand, io->in_hand, MSG_DONTWAIT | MSG_NOSIGNAL));
	all = sent == (ssize_t)io->in_hand;
	taken = sent > 0 ? (size_t)sent : 0;
	io->config.stats->tcp_sent_bytes += taken;
	if (!io->ring_at_hand) {
		int error = take_peeked(io, stream, taken);

		io->config.stats->tcp_received_bytes += taken;
		if (error)
			sent = error;
	} else if (!all) {
		lend(io, stream, taken);
	}
	io->config.on_sent(io->config.owner, stream, sent, all);
}

/* Who waits alone goes the direct way, and so does who gets no ring. */
static bool
io_prepare_receive(void *owner, void *of, bool alone, struct batch_call *call)
{
	struct io *io = owner;
	struct io_stream *stream = of;

	if (!alone && !stream->watcher.data)
		stream->watcher.data = ring_pool_take(&io->rings);
	if (alone || !stream->watcher.data) {
		receive_now(io, stream);
		return false;
	}
	call->fd = stream->watcher.fd;
	call->into = ring_free_span(stream->watcher.data, &call->length);
	return true;
}

static bool
io_prepare_send(void *owner, void *of, bool alone, struct batch_call *call)
{
	struct io_stream *stream = of;

	if (alone) {
		send_from_ring(owner, stream);
		return false;
	}
	call->fd = stream->watcher.fd;
	call->from = ring_used_span(stream->watcher.data, &call->length);
	return true;
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
	return io->rings.pool.lent - (io->ring_at_hand != NULL);
}

bool
io_trim(struct io *io, uint32_t looks_a_round)
{
	return ring_pool_trim(&io->rings, looks_a_round);
}
