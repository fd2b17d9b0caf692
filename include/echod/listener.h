/*
 * Listening sockets: opened here or handed over by systemd, and then all the same: checked,
 * non-blocking, and tuned so that accepted connections inherit what they need.
 */
#ifndef ECHOD_LISTENER_H
#define ECHOD_LISTENER_H

#include "echod/common/address.h"
#include "echod/options.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes that the buffers of datagram sockets are to have, if the system permits. */
#define LISTENER_DATAGRAM_BUFFER (4 * 1024 * 1024)

/* The socket of this name ($LISTEN_FDNAMES; systemd.socket(5), FileDescriptorName=) shows the
 * counters and echoes nothing. */
#define LISTENER_STATS_NAME "echod-stats.socket"

struct listener {
	int listen_fd; /* owned; -1 once closed */
	int type;      /* SOCK_STREAM or SOCK_DGRAM */
	bool handed_over;
	struct address address; /* bound to */
};

struct listeners {
	struct listener *all; /* owned */
	size_t count;
	struct listener stats; /* handed over to show the counters, if its handed_over says so */
};

/*
 * Takes the sockets that systemd handed over (sd_listen_fds(3)), or else opens what the options
 * say: for every address one socket for TCP and one for UDP; without addresses one dual-stack
 * socket for each, or an IPv4 one where the host has no IPv6.
 * Returns 0, or a negative errno (-EACCES: no privilege for the port; -EUSERS: options contradict
 * the sockets handed over, or the lack of them), and then problem says in words what was tried.
 * Call listeners_close() whatever the outcome.
 */
int listeners_open(
        struct listeners *listeners, const struct options *options, char *problem, size_t size);

void listeners_close(struct listeners *listeners);
void listener_close(struct listener *listener);

#endif
