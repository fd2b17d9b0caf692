#include "echod/stats_socket.h"

#include "echod/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CLIENTS_PER_ITERATION = 8, /* bounds what they take from the connections */
};

struct stats_socket {
	struct stats_socket_config config;
	struct gate gate;
	struct gate_watcher watcher;
};

static void
serve_clients(struct stats_socket *stats_socket)
{
	char text[STATS_EXPOSITION_SIZE];
	size_t length;

	stats_socket->config.on_read(stats_socket->config.owner);
	length = stats_exposition(stats_socket->config.stats, text);
	for (int i = 0; i < CLIENTS_PER_ITERATION; i++) {
		int client_fd = accept4(
		        stats_socket->watcher.io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client_fd < 0) {
			/* no descriptors, for example: the client waits in the backlog */
			if (errno != EAGAIN)
				gate_pause(&stats_socket->gate);
			return;
		}
		/* The text fits in the send buffer of a new socket. A client that has gone, or that
		 * takes less, has no more of it. */
		send(client_fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(client_fd);
	}
}

static void
stats_socket_on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct stats_socket *stats_socket = watcher->data;

	(void)loop;
	if (events & EV_ERROR) /* epoll refused the socket (ev(3), EV_ERROR) */
		gate_pause(&stats_socket->gate);
	else
		serve_clients(stats_socket);
}

struct stats_socket *
stats_socket_new(const struct stats_socket_config *config)
{
	struct stats_socket *stats_socket = calloc(1, sizeof(*stats_socket));

	if (!stats_socket)
		return NULL;
	stats_socket->config = *config;
	gate_init(&stats_socket->gate, config->loop);
	ev_io_init(&stats_socket->watcher.io, stats_socket_on_readable, config->listen_fd, EV_READ);
	stats_socket->watcher.io.data = stats_socket;
	gate_add(&stats_socket->gate, &stats_socket->watcher);
	return stats_socket;
}

void
stats_socket_free(struct stats_socket *stats_socket)
{
	if (!stats_socket)
		return;
	gate_stop(&stats_socket->gate);
	free(stats_socket);
}
