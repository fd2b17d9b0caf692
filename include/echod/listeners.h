/*
 * The listeners that the options ask for, found among those that are open already, or opened.
 */
#pragma once

#include "echod/handover.h"
#include "echod/listener.h"

#include <stddef.h>

/* The socket of this name ($LISTEN_FDNAMES; systemd.socket(5), FileDescriptorName=) shows the
 * counters and echoes nothing. */
#define LISTENERS_STATS_NAME "echod-stats.socket"

struct listeners {
	struct listener *all; /* owned */
	size_t count;
};

/*
 * Takes the sockets that systemd handed over (sd_listen_fds(3)), or else opens what the options
 * say: for every address one socket for TCP and one for UDP; without addresses one dual-stack
 * socket for each, or an IPv4 one where the host has no IPv6. Then the one of --stats-socket.
 * Returns 0, or a negative errno (-EACCES: no privilege for the port; -EUSERS: options contradict
 * the sockets handed over, or the lack of them), and then problem says in words what was tried.
 * Call listeners_close() whatever the outcome.
 */
int listeners_open(
        struct listeners *listeners, const struct options *options, char *problem, size_t size);

/*
 * As listeners_open() with those that are known, whose sockets then are in both: all that were
 * handed over, and of our own those that the options ask for.
 */
int listeners_choose(struct listeners *listeners, const struct listeners *known,
        const struct options *options, char *problem, size_t size);

/* Knows what the program before this one has left open; returns as listeners_open(). */
int listeners_restore(struct listeners *known, const struct handover *handover,
        const struct options *options, char *problem, size_t size);

/* Writes them to the state, but for those that are among others. */
void listeners_save(const struct listeners *listeners, const struct listeners *others,
        struct handover_writer *writer);

/* The socket that shows the counters, of several the last one; -1 without one. */
int listeners_stats(const struct listeners *listeners);

/* Whether systemd has handed over those that echo: all of them, or none. */
bool listeners_activated(const struct listeners *listeners);

/* Whether this socket is one of them. */
bool listeners_have(const struct listeners *listeners, int listen_fd);

/* Closes them, but for those that are among others (NULL: none), and forgets them all. */
void listeners_close(struct listeners *listeners, const struct listeners *others);
