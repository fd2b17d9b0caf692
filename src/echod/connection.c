#include "echod/connection.h"

#include "echod/common/clock.h"
#include "echod/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What only some options need; the table of these is mapped only then. */
struct detail {
	uint64_t opened_ns;
	uint32_t source; /* its place in the sources */
	union {          /* most of a struct address would be room for UNIX paths */
		struct sockaddr any;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	} peer;
};

struct connections {
	struct connections_config config;
	struct pool slots; /* of struct connection */
	struct io *io;
	struct source_limit *sources; /* NULL without a limit a source */
	struct detail *details;       /* by slot; NULL when not needed */
	uint32_t now;
};

static io_received connection_on_received;
static io_sent connection_on_sent;

/* What only some options need. */
static bool
make_tables(struct connections *all)
{
	const struct connections_config *config = &all->config;

	if (config->source_limit > 0) {
		all->sources = source_limit_new(config->limit, config->source_limit);
		if (!all->sources)
			return false;
	}
	if (config->source_limit == 0 && !config->log_exits)
		return true;
	all->details = pool_map(config->limit * sizeof(struct detail));
	return all->details;
}

struct connections *
connections_new(const struct connections_config *config)
{
	struct connections *all = calloc(1, sizeof(*all));
	const struct io_config io_config = {
	        .loop = config->loop,
	        .batch = config->batch,
	        .ring_size = config->ring_size,
	        .ring_memory = config->ring_memory,
	        .stats = config->stats,
	        .on_received = connection_on_received,
	        .on_sent = connection_on_sent,
	        .owner = all,
	};

	if (!all)
		return NULL;
	all->config = *config;
	all->io = io_new(&io_config);
	if (!all->io || pool_init(&all->slots, config->limit, sizeof(struct connection)) < 0 ||
	        !make_tables(all)) {
		int error = errno;

		connections_free(all);
		errno = error;
		return NULL;
	}
	ev_set_userdata(config->loop, all);
	return all;
}

void
connections_free(struct connections *all)
{
	if (!all)
		return;
	for (uint32_t i = 0; i < all->slots.fresh; i++)
		if (connections_at(all, i)->open)
			connection_close(all, connections_at(all, i), CLOSE_DRAIN);
	pool_unmap(all->details, all->config.limit * sizeof(struct detail));
	source_limit_free(all->sources);
	pool_free(&all->slots);
	io_free(all->io);
	free(all);
}

static struct detail *
detail_of(const struct connections *all, const struct connection *c)
{
	return &all->details[pool_index(&all->slots, c)];
}

int
connection_interest(const struct connection *c)
{
	const struct ring *ring = c->stream.watcher.data;

	if (!ring) /* what is owed, if anything, waits in the kernel */
		return c->blocked ? EV_WRITE : EV_READ;
	return (c->finished || ring->used == ring->size ? 0 : EV_READ) |
	       (ring->used > 0 ? EV_WRITE : 0);
}

__attribute__((noinline)) static void /* as in io.c: off the way of most echoes */
wait_for(struct connections *all, struct connection *c, int events)
{
	struct ev_io *watcher = &c->stream.watcher;

	ev_io_stop(all->config.loop, watcher);
	ev_io_modify(watcher, events);
	ev_io_start(all->config.loop, watcher);
}

static void
update_interest(struct connections *all, struct connection *c)
{
	int events = connection_interest(c);

	if ((c->stream.watcher.events & (EV_READ | EV_WRITE)) != events)
		wait_for(all, c, events);
}

static enum close_reason
reason_of(ssize_t error)
{
	switch (-error) {
	case ECONNRESET:
	case EPIPE:
		return CLOSE_RESET;
	case ETIMEDOUT:
		return CLOSE_TIMEOUT;
	default:
		return CLOSE_ERROR;
	}
}

static void
connection_on_received(void *owner, struct io_stream *stream, ssize_t received)
{
	struct connections *all = owner;
	struct connection *c = (struct connection *)stream;

	if (received < 0 && received != -EAGAIN) {
		connection_close(all, c, reason_of(received));
		return;
	}
	if (received == 0)
		c->finished = true;
	if (c->finished && io_held(stream) == 0)
		connection_close(all, c, CLOSE_EOF);
	else if (received > 0 && (!c->blocked || io_held(stream) == 0))
		io_send(all->io, stream);
	else
		update_interest(all, c);
}

static void
connection_on_sent(void *owner, struct io_stream *stream, ssize_t sent, bool all_sent)
{
	struct connections *all = owner;
	struct connection *c = (struct connection *)stream;

	if (sent < 0 && sent != -EAGAIN) {
		connection_close(all, c, reason_of(sent));
		return;
	}
	if (sent > 0)
		c->sent += (uint64_t)sent;
	/* The first refusal, too: what it blocks began to wait just now. */
	if (sent > 0 || !c->blocked)
		c->active_at = all->now;
	c->blocked = !all_sent;
	if (all_sent && c->finished)
		connection_close(all, c, CLOSE_EOF);
	else
		update_interest(all, c);
}

/* At most one receive and one send a turn, so that no peer's bulk keeps the others waiting. */
static void
connection_on_ready(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct connections *all = ev_userdata(loop);
	struct connection *c = (struct connection *)watcher;

	if (events & EV_ERROR) { /* epoll refused the descriptor (ev(3), EV_ERROR) */
		connection_close(all, c, CLOSE_ERROR);
	} else if ((events & EV_WRITE) && io_held(&c->stream) > 0) {
		io_send(all->io, &c->stream);
	} else { /* also when writable without a ring: what is owed has to be looked at again */
		io_receive(all->io, &c->stream);
	}
}

int
connection_open(struct connections *all, int peer_fd, const struct address *peer)
{
	uint32_t source = SOURCE_LIMIT_NONE;
	struct connection *c;

	if (connections_full(all))
		return -ENOBUFS;
	if (all->sources && source_limit_connect(all->sources, peer, &source) < 0)
		return -EDQUOT;
	c = pool_take(&all->slots);
	*c = (struct connection){.open = true, .active_at = all->now};
	if (all->details) {
		struct detail *detail = detail_of(all, c);

		*detail = (struct detail){.opened_ns = clock_now_ns(), .source = source};
		detail->peer.any.sa_family = peer->any.sa_family;
		if (peer->any.sa_family == AF_INET)
			detail->peer.in4 = peer->in4;
		else if (peer->any.sa_family == AF_INET6)
			detail->peer.in6 = peer->in6;
	}
	all->config.stats->tcp_accepted++;
	all->config.stats->tcp_open++;
	ev_io_init(&c->stream.watcher, connection_on_ready, peer_fd, EV_READ);
	ev_io_start(all->config.loop, &c->stream.watcher);
	return 0;
}

/* How each end is called in the log, and where it is counted. */
static const struct {
	const char *text;
	size_t counter; /* in struct stats */
} ends[] = {
        [CLOSE_EOF] = {"eof", offsetof(struct stats, tcp_closed_eof)},
        [CLOSE_RESET] = {"reset", offsetof(struct stats, tcp_closed_reset)},
        [CLOSE_TIMEOUT] = {"timeout", offsetof(struct stats, tcp_closed_timeout)},
        [CLOSE_ERROR] = {"error", offsetof(struct stats, tcp_closed_error)},
        [CLOSE_IDLE] = {"idle", offsetof(struct stats, tcp_closed_idle)},
        [CLOSE_STALLED] = {"stalled", offsetof(struct stats, tcp_closed_stalled)},
        [CLOSE_FULL] = {"full", offsetof(struct stats, tcp_closed_full)},
        [CLOSE_DRAIN] = {"drain", offsetof(struct stats, tcp_closed_drain)},
};

static void
log_exit(const struct connections *all, const struct connection *c, const char *reason)
{
	const struct detail *detail = detail_of(all, c);
	struct address peer = {.length = sizeof(detail->peer.any.sa_family)};
	uint64_t duration_ms = (clock_now_ns() - detail->opened_ns) / NS_PER_MS;
	unsigned long long sent = c->sent, received = sent + io_held(&c->stream);
	char text[ADDRESS_TEXT_SIZE];

	peer.in6 = detail->peer.in6;
	log_line(LOG_NOTICE, "EXIT: proto=%s from=%s duration=%llu.%03u rx=%llu tx=%llu reason=%s",
	        address_protocol(&peer, SOCK_STREAM), address_format(&peer, text, sizeof(text)),
	        (unsigned long long)(duration_ms / 1000), (unsigned)(duration_ms % 1000), received,
	        sent, reason);
}

void
connection_close(struct connections *all, struct connection *c, enum close_reason reason)
{
	const struct linger abort = {.l_onoff = 1, .l_linger = 0}; /* socket(7): RST */
	uint64_t *counter = (uint64_t *)(void *)((char *)all->config.stats + ends[reason].counter);
	int peer_fd = c->stream.watcher.fd;

	++*counter;
	ev_io_stop(all->config.loop, &c->stream.watcher);
	if (all->details) {
		if (all->config.log_exits)
			log_exit(all, c, ends[reason].text);
		source_limit_disconnect(all->sources, detail_of(all, c)->source);
	}
	/* For what waits in the kernel it does that itself. */
	if (io_held(&c->stream) > 0)
		setsockopt(peer_fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	close(peer_fd);
	io_release(all->io, &c->stream);
	all->config.stats->tcp_open--;
	c->open = false;
	pool_give(&all->slots, c);
	all->config.on_closed(all->config.owner);
}

bool
connections_full(const struct connections *all)
{
	return all->slots.lent >= all->config.limit;
}

uint32_t
connections_open_now(const struct connections *all)
{
	return all->slots.lent;
}

size_t
connections_rings_lent(const struct connections *all)
{
	return io_rings_lent(all->io);
}

bool
connections_trim(struct connections *all, uint32_t looks_a_round)
{
	return io_trim(all->io, looks_a_round);
}

uint32_t
connections_slots(const struct connections *all)
{
	return all->slots.fresh;
}

struct connection *
connections_at(struct connections *all, uint32_t index)
{
	return pool_at(&all->slots, index);
}

uint32_t
connections_now(const struct connections *all)
{
	return all->now;
}

void
connections_advance(struct connections *all, uint32_t tenths)
{
	all->now += tenths;
}
