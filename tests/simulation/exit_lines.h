/*
 * The EXIT line of --log-connections: each connection has one, just before it is closed, and what
 * it says is true.
 */
#pragma once

#include "stream.h"

void exit_lines_begin(void);

/* The daemon has logged this one. */
void exit_lines_read(const char *line);

/* The connection is closed: its line was the latest. Returns the reason that it gave, as a bit of a
 * set. */
unsigned exit_lines_check(const struct stream *stream);

/* Every line has had its close. */
void exit_lines_expect_none(void);
