#include "echod/server.h"

#include "echod/acceptor.h"
#include "echod/connection.h"
#include "echod/datagram.h"
#include "echod/log.h"
#include "echod/service.h"
#include "echod/stats.h"
#include "echod/sweep.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
	N_SIGNALS = 4,
};

struct server {
	struct ev_loop *loop;
	struct ev_signal signals[N_SIGNALS];
	struct ev_timer drain;
	struct stats stats;
	struct batch *batch; /* NULL: the direct way */
	struct connections *connections;
	struct acceptor *acceptor;
	struct datagrams *datagrams;
	struct sweep *sweep;
	struct service *service;
	uint64_t drain_ms;
	bool draining;
};

static void
end_if_drained(struct server *server)
{
	if (server->draining && connections_open_now(server->connections) == 0)
		ev_break(server->loop, EVBREAK_ALL);
}

static void
server_on_opened(void *owner)
{
	struct server *server = owner;

	sweep_wake(server->sweep);
}

static void
server_on_closed(void *owner)
{
	struct server *server = owner;

	acceptor_on_room(server->acceptor);
	end_if_drained(server);
}

static void
server_on_dispensable(void *owner)
{
	struct server *server = owner;

	acceptor_on_room(server->acceptor);
}

static bool
server_make_room(void *owner)
{
	struct server *server = owner;

	return sweep_make_room(server->sweep);
}

static void
server_on_drain_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void
server_on_stop(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	struct server *server = watcher->data;

	(void)events;
	if (server->draining) {
		log_line(LOG_INFO, "STOP: at once");
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	server->draining = true;
	acceptor_drain(server->acceptor);
	log_line(LOG_INFO, "STOP: draining connections=%u",
	        connections_open_now(server->connections));
	service_stopping(server->service, server->drain_ms);
	ev_now_update(loop);
	ev_timer_start(loop, &server->drain);
	end_if_drained(server);
}

static void
server_on_idle(void *owner)
{
	struct server *server = owner;

	log_line(LOG_INFO, "STOP: idle");
	service_stopping(server->service, 0);
	ev_break(server->loop, EVBREAK_ALL);
}

static void
server_on_hangup(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;
	log_line(LOG_NOTICE, "SIGHUP: nothing to reload, the options are the command line's");
}

static void
server_on_show(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	struct server *server = watcher->data;
	char text[STATS_TEXT_SIZE];

	(void)loop;
	(void)events;
	server->stats.rings_lent = connections_rings_lent(server->connections);
	server->stats.log_lost = log_lost();
	datagrams_update_stats(server->datagrams);
	log_line(LOG_NOTICE, "STATS: %s", stats_format(&server->stats, text, sizeof(text)));
}

static void
watch_signals(struct server *server)
{
	static const struct {
		int number;
		void (*callback)(struct ev_loop *, struct ev_signal *, int);
	} all[N_SIGNALS] = {{SIGTERM, server_on_stop}, {SIGINT, server_on_stop},
	        {SIGHUP, server_on_hangup}, {SIGUSR1, server_on_show}};

	for (size_t i = 0; i < N_SIGNALS; i++) {
		ev_signal_init(&server->signals[i], all[i].callback, all[i].number);
		server->signals[i].data = server;
		ev_signal_start(server->loop, &server->signals[i]);
	}
}

/*
 * libev keeps signal watchers in a table of the process, not of the loop: without this a signal
 * that comes while the process ends would find a loop that is freed. And the default action must
 * not end it otherwise than it is about to end.
 */
static void
ignore_signals(struct server *server)
{
	sigset_t ours, before;

	sigemptyset(&ours);
	for (size_t i = 0; i < N_SIGNALS; i++)
		sigaddset(&ours, server->signals[i].signum);
	sigprocmask(SIG_BLOCK, &ours, &before);
	for (size_t i = 0; i < N_SIGNALS; i++) {
		ev_signal_stop(server->loop, &server->signals[i]);
		signal(server->signals[i].signum, SIG_IGN);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Whether there is a way to go on: the direct one needs nothing. */
static bool
make_batch(struct server *server, const struct options *options)
{
	if (options->io == IO_DIRECT)
		return true;
	server->batch = batch_new();
	if (server->batch) {
		log_line(LOG_INFO, "IO: in batches (io_uring)");
		return true;
	}
	if (options->io == IO_AUTO) {
		log_line(LOG_DEBUG, "IO: direct (io_uring: %s)", strerror(errno));
		return true;
	}
	log_line(LOG_ERR, "echod: --io=batch: io_uring: %s", strerror(errno));
	return false;
}

static bool
make_connections(struct server *server, const struct options *options, uint32_t limit)
{
	const struct connections_config config = {
	        .loop = server->loop,
	        .limit = limit,
	        .ring_size = options->buffer_size,
	        .ring_memory = options->buffer_memory,
	        .batch = server->batch,
	        .log_exits = options->log_connections,
	        .source_limit = options->max_connections_per_source,
	        .stats = &server->stats,
	        .on_closed = server_on_closed,
	        .owner = server,
	};

	server->connections = connections_new(&config);
	return server->connections;
}

static bool
make_sweep(struct server *server, const struct options *options)
{
	const struct sweep_config config = {
	        .loop = server->loop,
	        .connections = server->connections,
	        .idle_timeout = options->idle_timeout,
	        .idle_timeout_full = options->idle_timeout_full,
	        .stall_timeout = options->stall_timeout,
	        .on_dispensable = server_on_dispensable,
	        .owner = server,
	};

	server->sweep = sweep_new(&config);
	return server->sweep;
}

static bool
make_acceptor(struct server *server, const struct options *options, struct listeners *listeners)
{
	const struct acceptor_config config = {
	        .loop = server->loop,
	        .connections = server->connections,
	        .stats = &server->stats,
	        .rate = options->accept_rate,
	        .make_room = server_make_room,
	        .on_opened = server_on_opened,
	        .owner = server,
	};

	server->acceptor = acceptor_new(&config, listeners);
	return server->acceptor;
}

/* Only when somebody holds the sockets for us and starts us again does an end lose nobody. */
static bool
make_service(
        struct server *server, const struct options *options, const struct listeners *listeners)
{
	bool activated = listeners->count > 0 && listeners->all[0].handed_over;
	const struct service_config config = {
	        .loop = server->loop,
	        .stats = &server->stats,
	        .exit_idle_ms = activated ? options->exit_idle_time : 0,
	        .on_idle = server_on_idle,
	        .owner = server,
	};

	if (options->exit_idle_time && !activated)
		log_line(LOG_WARNING,
		        "echod: --exit-idle-time has no effect: no sockets were handed over");
	server->service = service_new(&config);
	return server->service;
}

struct server *
server_new(const struct options *options, struct listeners *listeners, uint32_t limit)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->drain_ms = options->drain_timeout;
	ev_timer_init(&server->drain, server_on_drain_timeout, (double)server->drain_ms / 1000, 0);
	server->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!server->loop || !make_batch(server, options) ||
	        !make_connections(server, options, limit) || !make_sweep(server, options) ||
	        !make_acceptor(server, options, listeners) ||
	        !make_service(server, options, listeners)) {
		int error = errno;

		server_free(server);
		errno = error;
		return NULL;
	}
	server->datagrams = datagrams_new(server->loop, &server->stats, options, listeners);
	if (!server->datagrams) {
		server_free(server);
		errno = ENOMEM;
		return NULL;
	}
	watch_signals(server);
	return server;
}

void
server_free(struct server *server)
{
	if (!server)
		return;
	connections_free(server->connections);
	batch_free(server->batch);
	acceptor_free(server->acceptor);
	sweep_free(server->sweep);
	service_free(server->service);
	datagrams_free(server->datagrams);
	if (ev_is_active(&server->signals[0]))
		ignore_signals(server);
	if (server->loop)
		ev_loop_destroy(server->loop);
	free(server);
}

void
server_run(struct server *server)
{
	ev_run(server->loop, 0);
}
