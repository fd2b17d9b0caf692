/*
 * The event loop. When the kernel refuses what libev cannot do without (epoll_wait(2),
 * epoll_create(2), memory), the process ends with a line in the log and exit status 1.
 */
#pragma once

#include <ev.h>

/* Returns a loop on epoll, to be given back with ev_loop_destroy(), or NULL, and sets errno. */
struct ev_loop *loop_new(void);

/*
 * If epoll refuses a descriptor, libev tells the watcher (EV_ERROR) only after its next wait, which
 * can take a minute. loop_poke() makes the next wait short. Call it after starting a watcher that
 * may be the only event source. The timer is the caller's, to be stopped with ev_timer_stop().
 */
void loop_poke_init(struct ev_timer *timer);
void loop_poke(struct ev_loop *loop, struct ev_timer *timer);
