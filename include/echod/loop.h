/*
 * The event loop, and what libev does about it on its own: it ends the process when the kernel
 * refuses what no loop can do without (epoll_wait(2), epoll_create(2), memory), and does so with a
 * line in the log and exit status 1.
 */
#ifndef ECHOD_LOOP_H
#define ECHOD_LOOP_H

#include <ev.h>

/* Returns a loop on epoll, to be given back with ev_loop_destroy(), or NULL, and sets errno. */
struct ev_loop *loop_new(void);

/*
 * Should epoll refuse a descriptor, libev tells the watcher (EV_ERROR) only after its next wait,
 * which can take a minute. With this the next wait is a short one. For whoever starts a watcher
 * without which nothing may happen any more. The timer is the caller's, to be stopped with
 * ev_timer_stop().
 */
void loop_hurry_init(struct ev_timer *timer);
void loop_hurry(struct ev_loop *loop, struct ev_timer *timer);

#endif
