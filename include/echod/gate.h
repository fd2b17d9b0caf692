/*
 * Sockets that are read while nothing speaks against it: the watchers of a gate are active while
 * its set of reasons is empty.
 */
#pragma once

#include <ev.h>

enum {
	GATE_PAUSED = 1 << 0, /* gate_pause() */
	GATE_OWNERS = 1 << 1, /* the owner's reasons begin here, a bit each */
	GATE_PAUSE_MS = 100,
};

/* Begins the owner's struct for a socket. */
struct gate_watcher {
	struct ev_io io; /* initialized by the owner */
	struct gate_watcher *next;
};

struct gate {
	struct ev_loop *loop; /* the caller's */
	unsigned closed;      /* a set of reasons */
	struct gate_watcher *watchers;
	struct ev_timer pause, poke;
};

/* Makes an open gate without watchers. */
void gate_init(struct gate *gate, struct ev_loop *loop);

/* Adds a watcher to an open gate; it is the caller's and lives longer than the gate. */
void gate_add(struct gate *gate, struct gate_watcher *watcher);

/* Adds and removes reasons, and stops or starts the watchers accordingly. */
void gate_close(struct gate *gate, unsigned reasons);
void gate_open(struct gate *gate, unsigned reasons);

/* Closes the gate for GATE_PAUSE_MS from now: for a failure that would otherwise be repeated at
 * once and without end. */
void gate_pause(struct gate *gate);

/* Stops all watchers and timers. */
void gate_stop(struct gate *gate);
