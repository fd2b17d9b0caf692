/*
 * Short connections: each is opened, carries its messages and is closed, again and again. In a
 * closed loop the next one begins when one has ended; in an open loop each begins when it is due,
 * or waits for a free lane, and its time counts from when it was due.
 */
#pragma once

#include "echod/bench/load.h"

/* Makes all lanes ready for sessions. Returns 0 or -ENOMEM. */
int sessions_init(struct load *load);

/* Begins as many as may begin now. */
void sessions_issue(struct load *load);

/* Nothing more begins: what waits for a free lane by now has failed. */
void sessions_stop(struct load *load);

/* From now on connections count; those that are open do. */
void sessions_measure(struct load *load);

/* Whether connections cannot be opened. */
bool sessions_are_hopeless(const struct load *load);
