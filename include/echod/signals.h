/*
 * The signals that the daemon hears, as events of the loop (signalfd(2)): none interrupts anything.
 */
#ifndef ECHOD_SIGNALS_H
#define ECHOD_SIGNALS_H

#include <ev.h>

enum {
	SIGNALS_MOST = 8,
};

struct signals_config {
	struct ev_loop *loop;
	const int *numbers; /* what to hear, at most SIGNALS_MOST; ends with 0 */
	void (*on_signal)(void *owner, int number);
	/* None will be heard any more, and why. */
	void (*on_deaf)(void *owner, const char *reason);
	void *owner;
};

struct signals {
	struct signals_config config;
	struct ev_io watcher;
};

/*
 * Blocks the signals (sigprocmask(2)) and listens to them. Returns 0, or -1 and sets errno. They
 * stay blocked for good: one that comes when nobody listens any more must not end the process
 * otherwise than it is about to end.
 */
int signals_open(struct signals *signals, const struct signals_config *config);

/* What is zeroed or was closed before is fine. */
void signals_close(struct signals *signals);

#endif
