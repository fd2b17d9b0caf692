#include "echod/acceptor.h"

#include "echod/common/clock.h"
#include "echod/connection_begin.h"
#include "echod/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	/* bounds what a burst of new connections takes from the established ones */
	ACCEPTS_PER_ITERATION = 64,
	/* connections that can wait on a listener of ours (listen(2) allows one more) */
	MAX_BACKLOG = 4096 + 1,
};

/* Why the gate is closed, beside GATE_PAUSED: for lack of descriptors or memory. */
enum {
	GATE_FULL = GATE_OWNERS,
	GATE_RATE = GATE_OWNERS << 1,
	GATE_DRAINING = GATE_OWNERS << 2,
};

struct acceptor_listener {
	struct gate_watcher watcher;
	struct listener *listener;
	unsigned readable_in; /* the last iteration in which it was */
};

struct acceptor {
	struct acceptor_config config;
	struct gate gate;
	struct ev_timer token; /* fires when --accept-rate permits the next connection */
	struct bucket_rule rule;
	struct bucket bucket;
	struct log_limit pause_limit, source_limit, error_limit;
	size_t n_listeners;
	struct acceptor_listener listeners[];
};

static void
wait_for_token(struct acceptor *acceptor, uint64_t wait_ns)
{
	gate_close(&acceptor->gate, GATE_RATE);
	/* from now on, not from the beginning of the iteration: not too early */
	ev_now_update(acceptor->config.loop);
	ev_timer_set(&acceptor->token, clock_seconds(wait_ns), 0);
	ev_timer_start(acceptor->config.loop, &acceptor->token);
}

static void
acceptor_on_token(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct acceptor *acceptor = timer->data;

	(void)loop;
	(void)events;
	gate_open(&acceptor->gate, GATE_RATE);
}

void
acceptor_on_room(struct acceptor *acceptor)
{
	if (acceptor->gate.closed & GATE_FULL)
		gate_open(&acceptor->gate, GATE_FULL);
}

static void
pause_accepting(struct acceptor *acceptor, const char *reason)
{
	char text[LOG_VALUE_SIZE];

	acceptor->config.stats->tcp_accept_pauses++;
	log_limited(&acceptor->pause_limit, LOG_WARNING,
	        "PAUSE: proto=tcp pause_ms=%d reason=%s connections=%u", GATE_PAUSE_MS,
	        log_value(reason, text), connections_open_now(acceptor->config.connections));
	gate_pause(&acceptor->gate);
}

/* Returns whether accepting may go on after this error. */
static bool
handle_accept_error(struct acceptor *acceptor, int error)
{
	char text[LOG_VALUE_SIZE];

	switch (error) {
	case EAGAIN:
		return false;
	case EINTR:
		return true;
	case ECONNABORTED:
	case EPROTO:
	/* accept(2): network errors that were pending on the new connection */
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case ETIMEDOUT:
		acceptor->config.stats->tcp_accept_errors++;
		log_limited(&acceptor->error_limit, LOG_DEBUG, "ACCEPT: proto=tcp reason=%s",
		        log_value(strerror(error), text));
		return true;
	default: /* EMFILE, ENFILE, ENOBUFS, ENOMEM; any other must not become a busy loop */
		pause_accepting(acceptor, strerror(error));
		return false;
	}
}

static void
refuse_connection(struct acceptor *acceptor, int peer_fd, const struct address *peer)
{
	const struct linger abort = {.l_onoff = 1, .l_linger = 0};
	char text[LOG_VALUE_SIZE];

	acceptor->config.stats->tcp_refused_source++;
	log_limited(&acceptor->source_limit, LOG_NOTICE,
	        "REFUSE: proto=tcp from=%s reason=max-connections-per-source",
	        log_address(peer, text));
	setsockopt(peer_fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	close(peer_fd);
}

/* Accepts one connection. Returns false when there is none or the gate has closed. */
static bool
accept_connection(struct acceptor *acceptor, int listen_fd)
{
	struct address peer = {.length = sizeof(peer.storage)};
	/* without SOCK_CLOEXEC: a reload takes it along */
	int peer_fd = accept4(listen_fd, &peer.any, &peer.length, SOCK_NONBLOCK);
	int error;

	if (peer_fd < 0)
		return handle_accept_error(acceptor, errno);
	if (peer.any.sa_family == AF_UNIX) /* these inherit nothing from their listener */
		setsockopt(peer_fd, SOL_SOCKET, SO_OOBINLINE, &(int){1}, sizeof(int));
	error = connection_open(acceptor->config.connections, peer_fd, &peer);
	if (error == -ENOBUFS) { /* not refused for its source: now a slot is freed for it */
		sweep_free_slot(acceptor->config.sweep);
		error = connection_open(acceptor->config.connections, peer_fd, &peer);
	}
	if (error) {
		refuse_connection(acceptor, peer_fd, &peer);
		return true;
	}
	if (acceptor->config.rate)
		bucket_take(&acceptor->bucket, &acceptor->rule, clock_now_ns(), 1);
	sweep_wake(acceptor->config.sweep);
	return true;
}

/* Returns whether a connection may be accepted now; closes the gate if not. pending: a connection
 * is known to wait in the backlog. */
static bool
may_accept(struct acceptor *acceptor, bool pending)
{
	uint64_t wait_ns = 0;

	/* The rate first: nothing is evicted for a connection that has to wait anyway. */
	if (acceptor->config.rate)
		wait_ns = bucket_wait_ns(&acceptor->bucket, &acceptor->rule, clock_now_ns());
	if (wait_ns > 0) {
		wait_for_token(acceptor, wait_ns);
		return false;
	}
	if (!connections_full(acceptor->config.connections))
		return true;
	if (!pending)
		return false;
	while (sweep_can_free_slot(acceptor->config.sweep)) {
		if (!connections_overfull(acceptor->config.connections))
			return true;
		sweep_free_slot(acceptor->config.sweep);
	}
	gate_close(&acceptor->gate, GATE_FULL);
	return false;
}

static void
acceptor_on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct acceptor *acceptor = watcher->data;
	struct acceptor_listener *own = (struct acceptor_listener *)watcher;
	unsigned iteration = ev_iteration(loop);
	/* A listener that was not readable just before has one connection waiting, mostly: a second
	 * accept4() would only see EAGAIN. */
	bool burst = iteration == own->readable_in + 1;
	size_t accepts = burst ? ACCEPTS_PER_ITERATION / acceptor->n_listeners : 1, i = 0;

	own->readable_in = iteration;
	if (events & EV_ERROR) { /* epoll refused the listener (ev(3), EV_ERROR) */
		pause_accepting(acceptor, "epoll does not take the socket");
		return;
	}
	sweep_end_delivered(acceptor->config.sweep);
	do
		if (!may_accept(acceptor, i == 0) || !accept_connection(acceptor, watcher->fd))
			return;
	while (++i < accepts);
}

struct acceptor *
acceptor_new(const struct acceptor_config *config, struct listeners *listeners)
{
	struct acceptor *acceptor =
	        calloc(1, sizeof(*acceptor) + listeners->count * sizeof(struct acceptor_listener));

	if (!acceptor)
		return NULL;
	acceptor->config = *config;
	acceptor->rule = bucket_rule(config->rate, config->rate);
	gate_init(&acceptor->gate, config->loop);
	ev_timer_init(&acceptor->token, acceptor_on_token, 0, 0);
	acceptor->token.data = acceptor;
	for (size_t i = 0; i < listeners->count; i++) {
		struct acceptor_listener *own = &acceptor->listeners[acceptor->n_listeners];

		if (listeners->all[i].type != SOCK_STREAM || listeners->all[i].for_stats)
			continue;
		acceptor->n_listeners++;
		own->listener = &listeners->all[i];
		ev_io_init(
		        &own->watcher.io, acceptor_on_readable, own->listener->listen_fd, EV_READ);
		own->watcher.io.data = acceptor;
		gate_add(&acceptor->gate, &own->watcher);
	}
	return acceptor;
}

void
acceptor_free(struct acceptor *acceptor)
{
	if (!acceptor)
		return;
	gate_stop(&acceptor->gate);
	ev_timer_stop(acceptor->config.loop, &acceptor->token);
	free(acceptor);
}

struct bucket *
acceptor_bucket(struct acceptor *acceptor)
{
	return &acceptor->bucket;
}

void
acceptor_empty(struct acceptor *acceptor, const struct listener *listener)
{
	for (int n = 0; n < MAX_BACKLOG; n++)
		if (connections_full(acceptor->config.connections) ||
		        !accept_connection(acceptor, listener->listen_fd))
			break;
}

void
acceptor_drain(struct acceptor *acceptor)
{
	gate_close(&acceptor->gate, GATE_DRAINING);
	for (size_t i = 0; i < acceptor->n_listeners; i++) {
		struct listener *listener = acceptor->listeners[i].listener;

		/* Closing a listener resets the connections that wait on it. */
		if (!listener->handed_over)
			acceptor_empty(acceptor, listener);
		listener_close(listener);
	}
}
