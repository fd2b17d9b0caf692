/*
 * What the daemon's counters have to be, counted from the outside, and the STATS line that shows
 * what they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void counters_begin(void);
void counters_on_accept(bool refused);
void counters_on_accept_error(bool pauses);
void counters_on_listener_error(void);

/* A connection is closed for one of these reasons, a set of enum close_reason, a bit each. */
void counters_on_close(unsigned reasons);

/* Bytes of connections that are no more. */
void counters_on_bytes(uint64_t received, uint64_t sent);

void counters_on_log_lost(void);
void counters_on_reload(bool refused);

/* Checks a STATS line. */
void counters_check(const char *stats);

/* Checks the text in Prometheus' format. */
void counters_check_exposition(const char *text, size_t size);

/* How many lines have been checked. */
uint32_t counters_seen(void);
