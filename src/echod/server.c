#include "echod/server.h"

#include "echod/acceptor.h"
#include "echod/connection.h"
#include "echod/limits.h"
#include "echod/log.h"
#include "echod/loop.h"
#include "echod/reload.h"
#include "echod/service.h"
#include "echod/signals.h"
#include "echod/stats.h"
#include "echod/stats_socket.h"
#include "echod/sweep.h"
#include "echod/udp.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct server {
	struct ev_loop *loop;
	struct signals signals;
	struct ev_timer delay, drain; /* one after the other, once the daemon stops */
	struct stats stats;
	struct connections *connections;
	struct acceptor *acceptor;
	struct udp *udp;
	struct sweep *sweep;
	struct service *service;
	struct stats_socket *stats_socket; /* NULL: none */
	uint64_t delay_ms, drain_ms;
	struct reload survivors;
	bool stopping, reloading, ended, failed;
};

static void
end_loop(struct server *server)
{
	server->ended = true;
	server->reloading = false;
	ev_break(server->loop, EVBREAK_ALL);
}

static void
end_if_drained(struct server *server)
{
	if (ev_is_active(&server->drain) && connections_open_now(server->connections) == 0)
		end_loop(server);
}

static void
server_on_closed(void *owner)
{
	struct server *server = owner;

	acceptor_on_room(server->acceptor);
	end_if_drained(server);
}

static void
server_on_evictable(void *owner)
{
	struct server *server = owner;

	acceptor_on_room(server->acceptor);
}

static void
server_on_drain_timeout(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	end_loop(timer->data);
}

static void
begin_drain(struct server *server)
{
	acceptor_drain(server->acceptor);
	log_line(LOG_INFO, "STOP: reason=%s connections=%u",
	        server->delay_ms ? "delay-over" : "signal",
	        connections_open_now(server->connections));
	ev_now_update(server->loop);
	ev_timer_start(server->loop, &server->drain);
	end_if_drained(server);
}

static void
server_on_delay_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	begin_drain(timer->data);
}

static void
begin_stop(struct server *server)
{
	if (server->stopping) {
		log_line(LOG_INFO, "STOP: reason=signal-again");
		end_loop(server);
		return;
	}
	server->stopping = true;
	server->stats.stopping = 1;
	service_stopping(server->service, server->delay_ms + server->drain_ms);
	if (server->delay_ms == 0) {
		begin_drain(server);
		return;
	}
	log_line(LOG_INFO, "STOP: reason=signal delay_ms=%llu connections=%u",
	        (unsigned long long)server->delay_ms, connections_open_now(server->connections));
	ev_now_update(server->loop);
	ev_timer_start(server->loop, &server->delay);
}

static void
server_on_idle(void *owner)
{
	struct server *server = owner;

	log_line(LOG_INFO, "STOP: reason=idle");
	service_stopping(server->service, 0);
	end_loop(server);
}

/* Asks for what is not counted as it happens. */
static void
server_on_stats_read(void *owner)
{
	struct server *server = owner;
	struct stats *stats = &server->stats;

	stats->rings_lent = connections_rings_lent(server->connections);
	stats->files_open = server->survivors.other_files + server->survivors.listeners->count +
	                    stats->tcp_open;
	stats->log_lost = server->survivors.log_lost + log_lost();
	udp_update_stats(server->udp);
}

static void
log_stats(struct server *server)
{
	char text[STATS_TEXT_SIZE];

	server_on_stats_read(server);
	log_line(LOG_NOTICE, "STATS: %s", stats_format(&server->stats, text, sizeof(text)));
}

static void
server_on_signal(void *owner, int number)
{
	struct server *server = owner;

	switch (number) {
	case SIGHUP: /* between two iterations, when nothing is half done */
		server->reloading = !server->ended;
		ev_break(server->loop, EVBREAK_ALL);
		break;
	case SIGUSR1:
		log_stats(server);
		break;
	default:
		begin_stop(server);
		break;
	}
}

/* A daemon that cannot be told to stop must not go on. */
static void
server_on_signals_lost(void *owner, const char *reason)
{
	struct server *server = owner;

	log_line(LOG_ERR, "echod: signals: %s", reason);
	server->failed = true;
	end_loop(server);
}

static int
open_signals(struct server *server)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, 0};
	const struct signals_config config = {
	        .loop = server->loop,
	        .numbers = numbers,
	        .on_signal = server_on_signal,
	        .on_lost = server_on_signals_lost,
	        .owner = server,
	};

	return signals_open(&server->signals, &config);
}

static bool
make_connection_table(struct server *server, const struct options *options, uint32_t limit,
        const struct handover *handover)
{
	const struct connections_config config = {
	        .loop = server->loop,
	        .limit = limit,
	        .ring_size = options->buffer_size,
	        .ring_memory = options->buffer_memory,
	        .log_exits = options->log_connections,
	        .source_limit = options->max_connections_per_source,
	        .proxies = options->proxies.prefixes,
	        .n_proxies = options->proxies.count,
	        .unix_proxies = options->unix_proxies,
	        .handover = handover,
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
	        .on_evictable = server_on_evictable,
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
	        .sweep = server->sweep,
	        .stats = &server->stats,
	        .rate = options->accept_rate,
	};

	server->acceptor = acceptor_new(&config, listeners);
	return server->acceptor;
}

/* An end loses no connection only when systemd holds the sockets and starts the daemon again. */
static bool
make_service(
        struct server *server, const struct options *options, const struct listeners *listeners)
{
	bool activated = listeners_activated(listeners);
	const struct service_config config = {
	        .loop = server->loop,
	        .stats = &server->stats,
	        .exit_idle_ms = activated ? options->exit_idle_time : 0,
	        .on_idle = server_on_idle,
	        .owner = server,
	};

	if (options->exit_idle_time && !activated)
		log_line(LOG_WARNING,
		        "IGNORE: option=exit-idle-time reason=\"no sockets were handed over\"");
	server->service = service_new(&config);
	return server->service;
}

static bool
make_stats_socket(struct server *server, const struct listeners *listeners)
{
	const struct stats_socket_config config = {
	        .loop = server->loop,
	        .listen_fd = listeners_stats(listeners),
	        .stats = &server->stats,
	        .on_read = server_on_stats_read,
	        .owner = server,
	};

	if (config.listen_fd < 0)
		return true;
	server->stats_socket = stats_socket_new(&config);
	return server->stats_socket;
}

/* Returns NULL, or the name of the part that could not be made; errno says why. */
static const char *
make_parts(struct server *server, const struct options *options, struct listeners *listeners,
        uint32_t limit, const struct handover *handover)
{
	int error;

	server->loop = loop_new();
	if (!server->loop)
		return "event loop";
	if (!make_connection_table(server, options, limit, handover))
		return "memory for connections";
	if (!make_sweep(server, options) || !make_acceptor(server, options, listeners))
		return "memory";
	if (!make_service(server, options, listeners))
		return "service manager";
	server->udp = udp_new(server->loop, &server->stats, options, listeners);
	if (!server->udp)
		return "memory for datagrams";
	if (!make_stats_socket(server, listeners))
		return "stats socket";
	error = open_signals(server);
	if (error) {
		errno = -error;
		return "signals";
	}
	return NULL;
}

struct server *
server_new(const struct options *options, struct listeners *listeners, uint32_t limit,
        const struct listeners *known, struct handover *handover)
{
	struct server *server = calloc(1, sizeof(*server));
	const char *failed = "memory";

	if (server) {
		server->delay_ms = options->drain_delay;
		server->drain_ms = options->drain_timeout;
		ev_timer_init(
		        &server->delay, server_on_delay_over, (double)server->delay_ms / 1000, 0);
		ev_timer_init(&server->drain, server_on_drain_timeout,
		        (double)server->drain_ms / 1000, 0);
		server->delay.data = server->drain.data = server;
		failed = make_parts(server, options, listeners, limit, handover);
	}
	if (failed) {
		log_line(LOG_ERR, "echod: %s: %s", failed, strerror(errno));
		server_free(server);
		return NULL;
	}
	server->stats.start_time_s = (uint64_t)ev_now(server->loop);
	server->stats.last_reload_successful = 1;
	server->survivors = (struct reload){options, listeners, server->connections,
	        server->acceptor, server->udp, &server->stats, 0,
	        /* the last descriptor that the start opens is the lowest free one */
	        .other_files =
	                (uint32_t)(server->signals.watcher.fd + 1) - (uint32_t)listeners->count};
	if (handover->bytes)
		reload_restore(&server->survivors, server->loop, known, handover);
	if (connections_open_now(server->connections) > 0)
		sweep_wake(server->sweep);
	server->stats.tcp_limit = limit;
	server->stats.files_limit = limits_files();
	return server;
}

void
server_free(struct server *server)
{
	if (!server)
		return;
	connections_free(server->connections);
	acceptor_free(server->acceptor);
	sweep_free(server->sweep);
	service_free(server->service);
	udp_free(server->udp);
	stats_socket_free(server->stats_socket);
	signals_close(&server->signals);
	if (server->loop)
		ev_loop_destroy(server->loop);
	free(server);
}

static void
reload(struct server *server)
{
	char problem[512];

	if (server->stopping) {
		log_line(LOG_NOTICE, "RELOAD: outcome=refused reason=stopping");
		return;
	}
	service_reloading(server->service);
	server_on_stats_read(server);
	reload_execute(&server->survivors, problem, sizeof(problem));
	server->stats.last_reload_successful = 0;
	log_line(LOG_ERR, "echod: reload failed, and everything goes on as before: %s", problem);
}

bool
server_run(struct server *server)
{
	do {
		server->reloading = false;
		ev_run(server->loop, 0);
		if (server->reloading)
			reload(server);
	} while (server->reloading);
	return !server->failed;
}
