#include "echod/acceptor.h"

#include "echod/bucket.h"
#include "echod/common/clock.h"
#include "echod/log.h"
#include "echod/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ACCEPTS_A_TURN = 64, /* so that a storm of connections leaves turns for those that are in */
	PAUSE_MS = 100,
	MAX_BACKLOG =
	        4096 + 1, /* who can wait on a listener of ours (listen(2) lets one more in) */
};

/* Why the gate is closed; open when none applies. */
enum gate {
	GATE_FULL = 1 << 0,
	GATE_PAUSED = 1 << 1, /* for lack of descriptors or memory */
	GATE_RATE = 1 << 2,
	GATE_DRAINING = 1 << 3,
};

struct door {
	struct ev_io watcher;
	struct listener *listener;
};

struct acceptor {
	struct acceptor_config config;
	unsigned closed; /* a set of enum gate */
	struct ev_timer pause, rate, hurry;
	struct bucket_rule rule;
	struct bucket bucket;
	struct log_limit pause_limit, source_limit, error_limit;
	size_t n_doors;
	struct door doors[];
};

static void
close_gate(struct acceptor *acceptor, enum gate reason)
{
	acceptor->closed |= reason;
	for (size_t i = 0; i < acceptor->n_doors; i++)
		ev_io_stop(acceptor->config.loop, &acceptor->doors[i].watcher);
}

static void
open_gate(struct acceptor *acceptor, enum gate reason)
{
	acceptor->closed &= ~(unsigned)reason;
	if (acceptor->closed)
		return;
	for (size_t i = 0; i < acceptor->n_doors; i++) {
		struct ev_io *watcher = &acceptor->doors[i].watcher;

		/* set anew, so that epoll is asked even if it has just refused the socket */
		ev_io_set(watcher, watcher->fd, EV_READ);
		ev_io_start(acceptor->config.loop, watcher);
	}
	loop_hurry(acceptor->config.loop, &acceptor->hurry);
}

static void
close_for(struct acceptor *acceptor, enum gate reason, struct ev_timer *timer, uint64_t time_ns)
{
	close_gate(acceptor, reason);
	/* from now on, not from when the turn began: at least the time that was meant */
	ev_now_update(acceptor->config.loop);
	ev_timer_set(timer, (double)time_ns / (double)NS_PER_S, 0);
	ev_timer_start(acceptor->config.loop, timer);
}

static void
acceptor_on_pause_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	open_gate(timer->data, GATE_PAUSED);
}

static void
acceptor_on_token(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	open_gate(timer->data, GATE_RATE);
}

void
acceptor_on_room(struct acceptor *acceptor)
{
	if (acceptor->closed & GATE_FULL)
		open_gate(acceptor, GATE_FULL);
}

static void
pause_accepting(struct acceptor *acceptor, const char *reason)
{
	acceptor->config.stats->tcp_accept_pauses++;
	log_limited(&acceptor->pause_limit, LOG_WARNING,
	        "PAUSE: accepting stops for %d ms: %s connections=%u", PAUSE_MS, reason,
	        connections_open_now(acceptor->config.connections));
	close_for(acceptor, GATE_PAUSED, &acceptor->pause, PAUSE_MS * NS_PER_MS);
}

/* Whether accepting may go on after it failed. */
static bool
survive(struct acceptor *acceptor, int error)
{
	switch (error) {
	case EAGAIN:
		return false;
	case EINTR:
		return true;
	case ECONNABORTED:
	case EPROTO:
	/* accept(2): errors of the network that were pending on the new connection */
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case ETIMEDOUT:
		acceptor->config.stats->tcp_accept_errors++;
		log_limited(&acceptor->error_limit, LOG_DEBUG, "ACCEPT: %s", strerror(error));
		return true;
	default: /* EMFILE, ENFILE, ENOBUFS, ENOMEM, and what must not become a busy loop */
		pause_accepting(acceptor, strerror(error));
		return false;
	}
}

static void
refuse(struct acceptor *acceptor, int peer_fd, const struct address *peer)
{
	const struct linger abort = {.l_onoff = 1, .l_linger = 0};
	char text[ADDRESS_TEXT_SIZE];

	acceptor->config.stats->tcp_refused_source++;
	log_limited(&acceptor->source_limit, LOG_NOTICE,
	        "REFUSE: proto=tcp from=%s reason=max-connections-per-source",
	        address_format(peer, text, sizeof(text)));
	setsockopt(peer_fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	close(peer_fd);
}

/* Takes one newcomer in. Returns false when there is none or the gate has closed. */
static bool
accept_one(struct acceptor *acceptor, int listen_fd)
{
	struct address peer = {.length = sizeof(peer.storage)};
	int peer_fd = accept4(listen_fd, &peer.any, &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (peer_fd < 0)
		return survive(acceptor, errno);
	if (acceptor->config.rate)
		bucket_take(&acceptor->bucket, &acceptor->rule, clock_now_ns(), 1);
	if (peer.any.sa_family == AF_UNIX) /* these inherit nothing from their listener */
		setsockopt(peer_fd, SOL_SOCKET, SO_OOBINLINE, &(int){1}, sizeof(int));
	if (connection_open(acceptor->config.connections, peer_fd, &peer) < 0)
		refuse(acceptor, peer_fd, &peer);
	else
		acceptor->config.on_opened(acceptor->config.owner);
	return true;
}

/* Whether one more may come in now; closes the gate if not. newcomer: somebody surely waits. */
static bool
may_enter(struct acceptor *acceptor, bool newcomer)
{
	uint64_t wait_ns = 0;

	/* The rate first: nobody is to give way to a newcomer who has to wait nevertheless. */
	if (acceptor->config.rate)
		wait_ns = bucket_wait_ns(&acceptor->bucket, &acceptor->rule, clock_now_ns());
	if (wait_ns > 0) {
		close_for(acceptor, GATE_RATE, &acceptor->rate, wait_ns);
		return false;
	}
	if (!connections_full(acceptor->config.connections))
		return true;
	if (!newcomer)
		return false;
	if (acceptor->config.make_room(acceptor->config.owner))
		return true;
	close_gate(acceptor, GATE_FULL);
	return false;
}

static void
acceptor_on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct acceptor *acceptor = watcher->data;
	size_t accepts = ACCEPTS_A_TURN / acceptor->n_doors, i = 0;

	(void)loop;
	if (events & EV_ERROR) { /* epoll refused the listener (ev(3), EV_ERROR) */
		pause_accepting(acceptor, "epoll does not take the socket");
		return;
	}
	do
		if (!may_enter(acceptor, i == 0) || !accept_one(acceptor, watcher->fd))
			return;
	while (++i < accepts);
}

struct acceptor *
acceptor_new(const struct acceptor_config *config, struct listeners *listeners)
{
	struct acceptor *acceptor =
	        calloc(1, sizeof(*acceptor) + listeners->count * sizeof(struct door));

	if (!acceptor)
		return NULL;
	acceptor->config = *config;
	acceptor->rule = bucket_rule(config->rate, config->rate);
	ev_timer_init(&acceptor->pause, acceptor_on_pause_over, 0, 0);
	ev_timer_init(&acceptor->rate, acceptor_on_token, 0, 0);
	loop_hurry_init(&acceptor->hurry);
	acceptor->pause.data = acceptor->rate.data = acceptor;
	for (size_t i = 0; i < listeners->count; i++) {
		struct door *door = &acceptor->doors[acceptor->n_doors];

		if (listeners->all[i].type != SOCK_STREAM)
			continue;
		door->listener = &listeners->all[i];
		ev_io_init(
		        &door->watcher, acceptor_on_readable, door->listener->listen_fd, EV_READ);
		door->watcher.data = acceptor;
		acceptor->n_doors++;
	}
	open_gate(acceptor, 0);
	return acceptor;
}

void
acceptor_free(struct acceptor *acceptor)
{
	if (!acceptor)
		return;
	close_gate(acceptor, GATE_DRAINING);
	ev_timer_stop(acceptor->config.loop, &acceptor->pause);
	ev_timer_stop(acceptor->config.loop, &acceptor->rate);
	ev_timer_stop(acceptor->config.loop, &acceptor->hurry);
	free(acceptor);
}

void
acceptor_drain(struct acceptor *acceptor)
{
	close_gate(acceptor, GATE_DRAINING);
	for (size_t i = 0; i < acceptor->n_doors; i++) {
		struct listener *listener = acceptor->doors[i].listener;

		/* Closing a listener resets those who wait on it. */
		for (int n = 0; !listener->handed_over && n < MAX_BACKLOG; n++)
			if (connections_full(acceptor->config.connections) ||
			        !accept_one(acceptor, listener->listen_fd))
				break;
		listener_close(listener);
	}
}
