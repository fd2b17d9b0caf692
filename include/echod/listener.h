/*
 * A listening socket: opened here, handed over by systemd or kept over a reload, and then all the
 * same: checked, non-blocking, and tuned so that accepted connections inherit what they need. It
 * stays open in the program that a reload executes.
 */
#pragma once

#include "echod/common/address.h"
#include "echod/options.h"

#include <stdbool.h>

/*
 * Bytes that the buffers of datagram sockets are to have, if the system permits. Replies to
 * neighbours that do not exist wait in the send buffer; the kernel doubles it, and then it has room
 * for all that an IPv4 /24 can have waiting (net.ipv4.neigh.default.unres_qlen_bytes).
 */
#define LISTENER_RECEIVE_BUFFER (4 * 1024 * 1024)
#define LISTENER_SEND_BUFFER    (32 * 1024 * 1024)

struct listener {
	int listen_fd; /* owned; -1 once closed */
	int type;      /* SOCK_STREAM or SOCK_DGRAM */
	bool handed_over;
	bool for_stats;         /* shows the counters and echoes nothing */
	bool dual_stack;        /* IPv6 and IPv4 */
	uint32_t drops;         /* datagrams that the kernel has dropped, when last asked; wraps */
	struct address wanted;  /* what it is for; port 0 if any would do */
	struct address address; /* bound to */
};

/*
 * Opens the socket that type, wanted and dual_stack of a listener say, or one at a path that shows
 * the counters to every user; a socket file there that nothing listens on is replaced. Returns 0;
 * or a negative errno, and nothing is open.
 */
int listener_open(struct listener *listener, const struct options *options);
int listener_open_stats(struct listener *listener, const char *path);

/* Checks a socket that is open and makes it ours to use. Returns 0 or a negative errno. */
int listener_adopt(struct listener *listener, const struct options *options);

/* A negative errno of the functions above in words. */
const char *listener_explain(int error);

/* Closes it; our own for the counters also loses its file. */
void listener_close(struct listener *listener);

/* For a listener, whose connections inherit it, or for a connection. */
void listener_set_keepalive(int fd, uint64_t keepalive_ms);
