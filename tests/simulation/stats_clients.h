/*
 * The stats socket and the clients that connect to it: each gets the counters, as they have to be,
 * in one send, and then end of file, whatever else goes on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define STATS_CLIENTS_PATH "/run/echod/stats"

/* What is at the path when the daemon starts. */
enum stats_path {
	PATH_FREE,
	PATH_STALE, /* a socket that nothing listens on */
	PATH_OTHER, /* a file of another kind */
	PATH_TAKEN, /* a socket that another process listens on */
	N_PATHS,
};

struct stats_clients {
	enum stats_path path;
	uint64_t one_in; /* clients come in one iteration in so many; 0: never */
};

struct stats_clients stats_clients_at_random(void);
void stats_clients_begin(const struct stats_clients *clients);

/* The socket, for which no file is made when systemd hands it over. */
void stats_clients_listen(int listen_fd);
bool stats_clients_listening(void);
void stats_clients_close(void);

/* What the daemon asks of the path: 0 or a negative errno. */
/* getsockname(2): the path, unless it was handed over. */
socklen_t stats_clients_name(struct sockaddr *name);

int stats_clients_bind(const struct sockaddr *address, socklen_t length);
int stats_clients_connect(const struct sockaddr *address, socklen_t length);
int stats_clients_mode(const char *path);
int stats_clients_unlink(const char *path);

/* The daemon accepts one: returns 0 or -EAGAIN. Faults of accept4(2) and epoll_ctl(2) come in
 * between. */
int stats_clients_accept(void);
void stats_clients_on_failure(void);

/* The next program does not know of it. */
void stats_clients_on_reload(void);

/* The daemon sends to the one that it has accepted, and closes it. */
ssize_t stats_clients_send(const char *text, size_t size, int flags);
void stats_clients_on_close(void);

uint32_t stats_clients_readiness(void);

/* An iteration begins: clients may come, and none may have waited for too long. */
void stats_clients_on_iteration(void);

/* The daemon has ended. */
void stats_clients_end(void);
