#include "echod/stats_socket.h"

#include "echod/gate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	BACKLOG = 128,
	CLIENTS_PER_ITERATION = 8, /* bounds what they take from the connections */
	EVERY_USER = 0111,         /* umask(2) that makes the file's mode 0666 */
};

struct stats_socket {
	struct stats_socket_config config;
	struct gate gate;
	struct gate_watcher watcher;
	bool is_own; /* listens at the path */
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

/* Returns whether the file is a socket that nothing listens on. */
static bool
is_stale(int probe_fd, const struct sockaddr_un *address)
{
	struct stat status;

	return lstat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
	       connect(probe_fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	       errno == ECONNREFUSED;
}

/* Returns 0 or a negative errno. */
static int
bind_path(int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int error;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	mask = umask(EVERY_USER);
	error = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	/* a daemon that was killed leaves its file */
	if (error == -EADDRINUSE && is_stale(fd, &address) && unlink(path) == 0)
		error = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno
		                                                                         : 0;
	umask(mask);
	return error;
}

/* Returns a socket that listens at the path, or a negative errno. */
static int
listen_at(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	error = bind_path(fd, path);
	if (!error && listen(fd, BACKLOG) < 0) {
		error = -errno;
		unlink(path);
	}
	if (!error)
		return fd;
	close(fd);
	return error;
}

struct stats_socket *
stats_socket_new(const struct stats_socket_config *config)
{
	struct stats_socket *stats_socket = calloc(1, sizeof(*stats_socket));
	int fd = config->listen_fd;

	if (!stats_socket)
		return NULL;
	stats_socket->config = *config;
	stats_socket->is_own = fd < 0;
	if (stats_socket->is_own)
		fd = listen_at(config->path);
	if (fd < 0) {
		free(stats_socket);
		errno = -fd;
		return NULL;
	}
	gate_init(&stats_socket->gate, config->loop);
	ev_io_init(&stats_socket->watcher.io, stats_socket_on_readable, fd, EV_READ);
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
	if (stats_socket->is_own) {
		unlink(stats_socket->config.path);
		close(stats_socket->watcher.io.fd);
	}
	free(stats_socket);
}
