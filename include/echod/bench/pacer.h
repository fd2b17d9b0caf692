/*
 * Wakes the loop when messages of a schedule are due, by a timerfd: the loop's own timers are in
 * milliseconds.
 */
#pragma once

#include "echod/bench/schedule.h"

#include <ev.h>

struct pacer {
	ev_io io;
	struct ev_loop *loop;
	void *owner;
	void (*on_due)(void *owner);
};

/* Opens the timer. Returns 0 or a negative errno; release it in either case. */
int pacer_init(struct pacer *pacer, struct ev_loop *loop, void *owner, void (*on_due)(void *owner));

/* Calls on_due from the start of the schedule on, at most once in 50 us. */
void pacer_start(struct pacer *pacer, const struct schedule *schedule);
void pacer_stop(struct pacer *pacer);

/* Fine for one that is all zero. */
void pacer_release(struct pacer *pacer);
