#include "echod/echo.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
	SCRATCH_SIZE = 64 * 1024, /* bytes echoed at once without a ring */
	SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL,
};

static void
share_next_ring(struct echo *echo)
{
	struct ring *ring = ring_pool_take(&echo->rings);

	echo->shared = ring;
	echo->bytes = ring ? ring->bytes : echo->scratch;
	echo->size = ring ? ring->size : SCRATCH_SIZE;
	echo->receive_flags = ring ? MSG_DONTWAIT : MSG_DONTWAIT | MSG_PEEK;
}

int
echo_init(struct echo *echo, struct ev_loop *loop, struct stats *stats, size_t ring_size,
        size_t ring_memory, uint32_t reserved)
{
	int error;

	*echo = (struct echo){.loop = loop, .stats = stats};
	error = ring_pool_init(&echo->rings, ring_size, ring_memory, reserved);
	if (error)
		return error;
	echo->scratch = pool_map(SCRATCH_SIZE);
	if (!echo->scratch)
		return -errno;
	share_next_ring(echo);
	return 0;
}

void
echo_free(struct echo *echo)
{
	ring_pool_free(&echo->rings);
	pool_unmap(echo->scratch, SCRATCH_SIZE);
	*echo = (struct echo){0};
}

int
echo_interest(const struct connection *c)
{
	const struct ring *ring = c->watcher.data;

	if (!ring) /* bytes not yet sent, if any, wait in the kernel */
		return c->blocked ? EV_WRITE : EV_READ;
	return (c->finished || ring->used == ring->size ? 0 : EV_READ) | EV_WRITE;
}

/*
 * What few echoes need is kept out of line, so that the common way stays short
 * (tests/system/test_instructions.py counts its instructions).
 */
__attribute__((noinline)) static void
wait_for(struct echo *echo, struct connection *c, int events)
{
	ev_io_stop(echo->loop, &c->watcher);
	ev_io_modify(&c->watcher, events);
	ev_io_start(echo->loop, &c->watcher);
}

static void
update_interest(struct echo *echo, struct connection *c)
{
	int events = echo_interest(c);

	if ((c->watcher.events & (EV_READ | EV_WRITE)) != events)
		wait_for(echo, c, events);
}

/* The result of recv(2) or send(2), with the errno in it. */
static ssize_t
call_result(ssize_t result)
{
	if (result >= 0)
		return result;
	return errno == EINTR ? -EAGAIN : -errno;
}

/* Takes account of a send. all: nothing received remains to be sent. */
static int
count_sent(struct echo *echo, struct connection *c, ssize_t sent, bool all)
{
	if (sent < 0 && sent != -EAGAIN)
		return (int)sent;
	if (sent > 0) {
		c->sent += (uint64_t)sent;
		echo->stats->tcp_sent_bytes += (uint64_t)sent;
	}
	/* The first refusal is activity, too: the bytes begin to wait now. */
	if (sent > 0 || !c->blocked)
		c->active_at = echo->now;
	c->blocked = !all;
	if (all && c->finished)
		return ECHO_FINISHED;
	update_interest(echo, c);
	return 0;
}

static void
commit(struct ring *ring, size_t length)
{
	int error = ring_commit(ring, length);

	assert(!error);
	(void)error;
}

static void
consume(struct ring *ring, size_t length)
{
	int error = ring_consume(ring, length);

	assert(!error);
	(void)error;
}

/* Lends the shared ring, with the bytes in it that the kernel did not take. */
__attribute__((noinline)) static void
lend_shared_ring(struct echo *echo, struct connection *c, size_t received, size_t sent)
{
	commit(echo->shared, received);
	consume(echo->shared, sent);
	c->watcher.data = echo->shared;
	share_next_ring(echo);
}

/* Consumes the bytes already sent after MSG_PEEK. They are in the queue: nothing else reads it. */
static int
consume_peeked(struct echo *echo, const struct connection *c, size_t length)
{
	while (length > 0) {
		/* TCP discards them; other families write them to the buffer. */
		ssize_t taken =
		        recv(c->watcher.fd, echo->scratch, length, MSG_TRUNC | MSG_DONTWAIT);

		if (taken < 0 && errno == EINTR)
			continue;
		if (taken <= 0)
			return taken < 0 ? -errno : -EPROTO;
		length -= (size_t)taken;
	}
	return 0;
}

int
echo_take_header(struct echo *echo, const struct connection *c, struct proxy_header *header)
{
	ssize_t peeked = call_result(
	        recv(c->watcher.fd, echo->scratch, PROXY_HEADER_MOST, MSG_PEEK | MSG_DONTWAIT));
	int error;

	if (peeked < 0)
		return (int)peeked;
	error = peeked > 0 ? proxy_header_parse(echo->scratch, (size_t)peeked, header) : -EPROTO;
	if (error)
		return error == -EPROTO ? ECHO_NO_HEADER : error;
	return consume_peeked(echo, c, header->length);
}

__attribute__((noinline)) static int
finish_peeked(struct echo *echo, struct connection *c, ssize_t peeked, ssize_t sent)
{
	int ended = count_sent(echo, c, sent, sent == peeked);
	int error = 0;

	if (sent > 0) {
		echo->stats->tcp_received_bytes += (uint64_t)sent;
		error = consume_peeked(echo, c, (size_t)sent);
	}
	return error ? error : ended;
}

/* Nearly all bytes come this way: into the shared ring, and out of it. */
static int
echo_through_shared_ring(struct echo *echo, struct connection *c)
{
	ssize_t sent, received = call_result(
	                      recv(c->watcher.fd, echo->bytes, echo->size, echo->receive_flags));

	echo->stats->tcp_without_ring += !echo->shared;
	if (received <= 0)
		return received == 0 ? ECHO_FINISHED : received == -EAGAIN ? 0 : (int)received;
	sent = call_result(send(c->watcher.fd, echo->bytes, (size_t)received, SEND_FLAGS));
	if (!echo->shared)
		return finish_peeked(echo, c, received, sent);
	echo->stats->tcp_received_bytes += (uint64_t)received;
	if (sent != received)
		lend_shared_ring(echo, c, (size_t)received, sent > 0 ? (size_t)sent : 0);
	return count_sent(echo, c, sent, sent == received);
}

/* A connection that holds a ring is blocked: it receives as long as there is room, and sends when
 * epoll reports that the kernel takes more. */
__attribute__((noinline)) static int
receive_into_lent_ring(struct echo *echo, struct connection *c)
{
	struct ring *ring = c->watcher.data;
	size_t room;
	void *span = ring_free_span(ring, &room);
	ssize_t received = call_result(recv(c->watcher.fd, span, room, MSG_DONTWAIT));

	if (received < 0)
		return received == -EAGAIN ? 0 : (int)received;
	if (received == 0)
		c->finished = true;
	commit(ring, (size_t)received);
	echo->stats->tcp_received_bytes += (uint64_t)received;
	update_interest(echo, c);
	return 0;
}

__attribute__((noinline)) static int
send_from_lent_ring(struct echo *echo, struct connection *c)
{
	struct ring *ring = c->watcher.data;
	size_t length;
	const void *span = ring_used_span(ring, &length);
	ssize_t sent = call_result(send(c->watcher.fd, span, length, SEND_FLAGS));
	bool all;

	if (sent > 0)
		consume(ring, (size_t)sent);
	all = ring->used == 0;
	if (all)
		echo_release(echo, c);
	return count_sent(echo, c, sent, all);
}

int
echo_on_ready(struct echo *echo, struct connection *c, int events)
{
	if (events & EV_ERROR) /* epoll refused the descriptor (ev(3), EV_ERROR) */
		return -EIO;
	if (!c->watcher.data)
		return echo_through_shared_ring(echo, c);
	if (events & EV_WRITE)
		return send_from_lent_ring(echo, c);
	return receive_into_lent_ring(echo, c);
}

void
echo_restore(struct echo *echo, struct connection *c, const void *bytes, size_t size)
{
	struct ring *ring = ring_pool_take_reserved(&echo->rings);

	memcpy(ring->bytes, bytes, size);
	commit(ring, size);
	c->watcher.data = ring;
}

size_t
echo_held(const struct connection *c)
{
	const struct ring *ring = c->watcher.data;

	return ring ? ring->used : 0;
}

void
echo_release(struct echo *echo, struct connection *c)
{
	struct ring *ring = c->watcher.data;

	if (!ring)
		return;
	c->watcher.data = NULL;
	ring_pool_give(&echo->rings, ring);
	if (!echo->shared)
		share_next_ring(echo);
}

size_t
echo_rings_lent(const struct echo *echo)
{
	return echo->rings.pool.lent - (echo->shared != NULL);
}
