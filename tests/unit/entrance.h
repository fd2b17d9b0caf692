/*
 * An acceptor with everything it needs, on scripted listeners and on the fake clock.
 */
#pragma once

#include "echod/acceptor.h"

struct entrance {
	struct ev_loop *loop;
	struct stats stats;
	struct connections *connections;
	struct acceptor *acceptor;
	size_t opened;          /* calls of sweep_wake() */
	size_t evictions_asked; /* calls of sweep_can_free_slot() */
	size_t delivered;       /* so many connections end in sweep_end_delivered() */
	uint64_t opening_takes_ns;
	bool evicts; /* whether a slot can be freed */
};

extern struct entrance entrance;

/* Zeros are one listener, room for 1,000 and no limits. */
struct setting {
	size_t listeners;
	uint32_t limit;
	uint64_t rate, source_limit;
	size_t others;          /* further ones, which are not the acceptor's */
	bool first_is_datagram; /* the first listener is no stream socket */
};

void open_up(const struct setting *setting);

/* Takes all down, and fails when the acceptor has left something in the loop. */
void close_up(void);

/* Iterations of the loop, which never waits. What a timer opens is looked at in the next one. */
void iterate(void);
void iterate_times(size_t count);
void pass(uint64_t time_ms);

/* One of the connections ends. */
void leave(void);
