/*
 * What the system lets the daemon have: open files, and so connections.
 */
#ifndef ECHOD_LIMITS_H
#define ECHOD_LIMITS_H

#include <stdint.h>

/* Descriptors that are never given to connections: listeners, the loop's, the log, sd_notify's. */
#define LIMITS_RESERVED_FILES 32

/*
 * Raises the soft limit of open files to the hard one (getrlimit(2), RLIMIT_NOFILE) and returns how
 * many connections fit: asked, or the default for asked = 0, or fewer. Returns 0 when not even one
 * fits.
 */
uint32_t limits_connections(uint64_t asked);

#endif
