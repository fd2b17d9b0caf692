/*
 * Signals as events of the loop (signalfd(2)): none interrupts a system call.
 */
#pragma once

#include <ev.h>

enum {
	SIGNALS_MAX = 8,
};

struct signals_config {
	struct ev_loop *loop;
	const int *numbers; /* at most SIGNALS_MAX; ends with 0 */
	void (*on_signal)(void *owner, int number);
	/* No signal can be received any more, and why. */
	void (*on_lost)(void *owner, const char *reason);
	void *owner;
};

struct signals {
	struct signals_config config;
	struct ev_io watcher;
};

/*
 * Blocks the signals (sigprocmask(2)) and receives them from then on. Returns 0 or a negative
 * errno. They stay blocked for good: a signal that arrives after signals_close() must not change
 * how the process ends.
 */
int signals_open(struct signals *signals, const struct signals_config *config);

/* A zeroed struct and a closed one are fine. */
void signals_close(struct signals *signals);
