#include "echod/connection.h"

#include "echod/common/clock.h"
#include "echod/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a connection may take, and what more some options cost: docs/architecture.md, "Memory". */
static_assert(sizeof(struct connection) + sizeof(struct delivery) + sizeof(uint32_t) == 76, "");
static_assert(sizeof(struct detail) == 40, "");

static size_t
larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Returns 0 or a negative errno. */
static int
map_tables(struct connections *all)
{
	const struct connections_config *config = &all->config;

	all->deliveries = pool_map(all->capacity * sizeof(*all->deliveries));
	all->lingering = pool_map(all->capacity * sizeof(*all->lingering));
	if (!all->deliveries || !all->lingering)
		return -errno;
	if (config->source_limit > 0) {
		/* one more: a source is checked before the table is found full */
		all->sources = source_limit_new(all->capacity + 1, config->source_limit);
		if (!all->sources)
			return -errno;
	}
	if (config->source_limit == 0 && !config->log_exits && !config->n_proxies &&
	        !config->unix_proxies)
		return 0;
	all->details = pool_map(all->capacity * sizeof(struct detail));
	return all->details ? 0 : -errno;
}

struct connections *
connections_new(const struct connections_config *config)
{
	static const struct handover none;
	const struct handover *restored = config->handover ? config->handover : &none;
	struct connections *all = calloc(1, sizeof(*all));
	int error;

	if (!all)
		return NULL;
	all->config = *config;
	all->capacity = (uint32_t)larger(config->limit, restored->connections);
	error = echo_init(&all->echo, config->loop, config->stats,
	        larger(config->ring_size, restored->ring_bytes), config->ring_memory,
	        restored->rings);
	if (!error)
		error = pool_init(&all->slots, all->capacity, sizeof(struct connection));
	if (!error)
		error = map_tables(all);
	if (error) {
		connections_free(all);
		errno = -error;
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
	pool_unmap(all->details, all->capacity * sizeof(struct detail));
	pool_unmap(all->deliveries, all->capacity * sizeof(*all->deliveries));
	pool_unmap(all->lingering, all->capacity * sizeof(*all->lingering));
	source_limit_free(all->sources);
	pool_free(&all->slots);
	echo_free(&all->echo);
	free(all);
}

static void end_connection(
        struct connections *all, struct connection *c, enum close_reason reason, bool reset);

static struct detail *
detail_of(const struct connections *all, const struct connection *c)
{
	return &all->details[pool_index(&all->slots, c)];
}

enum close_reason
connection_close_reason(int ended)
{
	switch (ended) {
	case DELIVERY_COMPLETE:
		return CLOSE_EOF;
	case -ECONNRESET:
	case -EPIPE:
		return CLOSE_RESET;
	case -ETIMEDOUT:
		return CLOSE_TIMEOUT;
	case ECHO_NO_HEADER:
		return CLOSE_PROXY;
	case -EDQUOT:
		return CLOSE_SOURCE;
	default:
		return CLOSE_ERROR;
	}
}

int
connection_check_delivery(struct connections *all, struct connection *c, uint32_t *waiting_ticks)
{
	struct delivery *delivery = &all->deliveries[pool_index(&all->slots, c)];
	uint32_t acked_before = delivery->acked;
	int result = delivery_check(delivery, c->watcher.fd, c->sent, all->echo.now, waiting_ticks);

	/* what the peer has acknowledged is progress for the bytes not yet sent, too */
	if (c->blocked && result == DELIVERY_COMPLETE && delivery->acked != acked_before)
		c->active_at = all->echo.now;
	return result;
}

void
connection_linger(struct connections *all, struct connection *c)
{
	c->lingers = true;
	c->linger_position = all->n_lingering++;
	all->lingering[c->linger_position] = pool_index(&all->slots, c);
}

/*
 * The peer has sent FIN, and the kernel has all the bytes for it. A connection with bytes that the
 * peer has not acknowledged lingers, with its slot and its place in its source's count, but outside
 * of epoll, which would report EPOLLHUP without end.
 */
static void
finish_connection(struct connections *all, struct connection *c)
{
	uint32_t waiting_ticks;
	int delivery = connection_check_delivery(all, c, &waiting_ticks);

	if (delivery != DELIVERY_OUTSTANDING) {
		end_connection(all, c, connection_close_reason(delivery), false);
		return;
	}
	ev_io_stop(all->config.loop, &c->watcher);
	shutdown(c->watcher.fd, SHUT_WR); /* FIN: the peer waits for nothing */
	connection_linger(all, c);
}

static void
connection_on_ready(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct connections *all = ev_userdata(loop);
	struct connection *c = (struct connection *)watcher;
	int ended = echo_on_ready(&all->echo, c, events);

	if (ended == ECHO_FINISHED)
		finish_connection(all, c);
	else if (ended)
		connection_close(all, c, connection_close_reason(ended));
}

struct connection *
connection_take_slot(
        struct connections *all, const struct address *peer, uint32_t source, uint64_t opened_ns)
{
	struct connection *c = pool_take(&all->slots);

	all->deliveries[pool_index(&all->slots, c)] = (struct delivery){0};
	*c = (struct connection){.open = true, .active_at = all->echo.now};
	if (all->details) {
		struct detail *detail = detail_of(all, c);

		*detail = (struct detail){
		        .opened_ns = opened_ns ? opened_ns : clock_now_ns(), .source = source};
		detail->peer.any.sa_family = peer->any.sa_family;
		if (peer->any.sa_family == AF_INET)
			detail->peer.in4 = peer->in4;
		else if (peer->any.sa_family == AF_INET6)
			detail->peer.in6 = peer->in6;
	}
	return c;
}

void
connection_wait(struct connections *all, struct connection *c, int peer_fd)
{
	ev_io_init(&c->watcher, connection_on_ready, peer_fd, echo_interest(c));
	if (!c->lingers)
		ev_io_start(all->config.loop, &c->watcher);
}

/* The name of each reason in the log, and its counter. */
static const struct {
	const char *text;
	size_t counter; /* in struct stats */
} ends[] = {
#define CLOSE_END(reason, word, ...) [reason] = {#word, offsetof(struct stats, tcp_closed_##word)},
        CLOSE_REASONS(CLOSE_END, )
#undef CLOSE_END
};

static void
log_exit(const struct connections *all, const struct connection *c, const char *reason)
{
	const struct detail *detail = detail_of(all, c);
	struct address peer = {.length = sizeof(detail->peer.any.sa_family)};
	uint64_t duration_ms = (clock_now_ns() - detail->opened_ns) / NS_PER_MS;
	unsigned long long sent = c->sent, received = sent + echo_held(c);
	struct address own = {.length = sizeof(own.storage)};
	char from[LOG_VALUE_SIZE], to[LOG_VALUE_SIZE];

	peer.in6 = detail->peer.in6;
	/* where it fails, there is no more to say than the family: AF_UNSPEC */
	getsockname(c->watcher.fd, &own.any, &own.length);
	log_line(LOG_NOTICE,
	        "EXIT: proto=%s from=%s to=%s duration_s=%llu.%03u rx_bytes=%llu tx_bytes=%llu "
	        "reason=%s",
	        address_protocol(&peer, SOCK_STREAM), log_address(&peer, from),
	        log_address(&own, to), (unsigned long long)(duration_ms / 1000),
	        (unsigned)(duration_ms % 1000), received, sent, reason);
}

static void
forget_lingering(struct connections *all, const struct connection *c)
{
	uint32_t last = all->lingering[--all->n_lingering];

	all->lingering[c->linger_position] = last;
	connections_at(all, last)->linger_position = c->linger_position;
}

/* reset: bytes are lost, and the peer is told so. */
static void
end_connection(struct connections *all, struct connection *c, enum close_reason reason, bool reset)
{
	const struct linger abort = {.l_onoff = 1, .l_linger = 0}; /* socket(7): RST */
	uint64_t *counter = (uint64_t *)(void *)((char *)all->config.stats + ends[reason].counter);
	int peer_fd = c->watcher.fd;

	++*counter;
	ev_io_stop(all->config.loop, &c->watcher);
	if (c->lingers)
		forget_lingering(all, c);
	if (all->details) {
		if (all->config.log_exits)
			log_exit(all, c, ends[reason].text);
		source_limit_disconnect(all->sources, detail_of(all, c)->source);
	}
	/* For bytes that wait in its receive queue the kernel sends the reset itself. */
	if (reset)
		setsockopt(peer_fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	close(peer_fd);
	echo_release(&all->echo, c);
	all->config.stats->tcp_open--;
	c->open = false;
	pool_give(&all->slots, c);
	all->config.on_closed(all->config.owner);
}

void
connection_close(struct connections *all, struct connection *c, enum close_reason reason)
{
	uint32_t waiting_ticks;
	bool reset = reason == CLOSE_PROXY || reason == CLOSE_SOURCE || echo_held(c) > 0 ||
	             connection_check_delivery(all, c, &waiting_ticks) == DELIVERY_OUTSTANDING;

	end_connection(all, c, reason, reset);
}

uint32_t
connections_lingering(const struct connections *all)
{
	return all->n_lingering;
}

struct connection *
connections_lingering_at(struct connections *all, uint32_t position)
{
	return connections_at(all, all->lingering[position]);
}

bool
connections_full(const struct connections *all)
{
	return all->slots.lent >= all->config.limit;
}

bool
connections_overfull(const struct connections *all)
{
	return all->slots.lent > all->config.limit;
}

uint32_t
connections_open_now(const struct connections *all)
{
	return all->slots.lent;
}

size_t
connections_rings_lent(const struct connections *all)
{
	return echo_rings_lent(&all->echo);
}

bool
connections_trim(struct connections *all, uint32_t looks_a_round)
{
	return ring_pool_trim(&all->echo.rings, looks_a_round);
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
	return all->echo.now;
}

void
connections_advance(struct connections *all, uint32_t tenths)
{
	all->echo.now += tenths;
}
