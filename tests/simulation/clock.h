/*
 * Time, which passes only when the world says so, and iterations: an iteration is what the daemon
 * does from one epoll_wait() to the next.
 */
#pragma once

#include <stdint.h>

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

#define CLOCK_START (5000 * S)

void clock_begin(void);
uint64_t clock_now(void); /* ns, CLOCK_MONOTONIC */
void clock_advance(uint64_t ns);

/* Someone sets the wall clock: CLOCK_REALTIME moves, nothing else does. */
void clock_set_wall(int64_t by_s);
uint64_t clock_wall(void); /* ns, CLOCK_REALTIME */

void clock_next_iteration(void);
uint64_t clock_iteration(void);

/*
 * The time that has passed for a process that was let run: more than a tenth of a second in one
 * iteration counts as a tenth, because the process was stopped or starved.
 */
uint64_t clock_awake(void);
