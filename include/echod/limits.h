/*
 * What the system lets the daemon have: open files, and so connections.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Descriptors that are never given to connections: the loop's, the log, sd_notify's, and listeners,
 * of which more than a few are reserved in addition. */
#define LIMITS_RESERVED_FILES 32

/* Raises the soft limit of open files to the hard one, if that may be (getrlimit(2),
 * RLIMIT_NOFILE). */
void limits_raise(void);

/* Returns the soft limit of open files, or 0 when it is not known. */
uint64_t limits_files(void);

/*
 * Returns how many connections fit beside so many listeners: asked, or the default for asked = 0,
 * or fewer. Returns 0 and sets errno when not even one fits (EMFILE),
 * or when the limit is not known (getrlimit(2)).
 */
uint32_t limits_connections(uint64_t asked, size_t listeners);
