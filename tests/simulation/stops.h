/*
 * What is promised when the daemon is told to stop: it goes on for --drain-delay, drains, and ends
 * in time; told twice, it ends at once.
 */
#pragma once

#include "echod/options.h"

#include <stdbool.h>
#include <stdint.h>

void stops_begin(void);

/* A signal is sent; these are the options that the daemon has then. */
void stops_on_signal(const struct options *options);

/* Whether it has been told; whether it knows; whether it has been told twice. */
bool stops_asked(void);
bool stops_known(void);
bool stops_at_once(void);

/* Whether it need not accept any more; whether it may close connections that are not finished. */
bool stops_may_drain(void);
bool stops_may_cut(void);

void stops_on_listener_close(void);

/* An iteration has ended with so many connections open: it goes on no longer than it may. */
void stops_on_iteration(uint32_t open);

/* The daemon has ended: not before its time. */
void stops_on_end(void);
