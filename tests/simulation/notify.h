/*
 * The service manager: what $NOTIFY_SOCKET names (sd_notify(3)), and whether the daemon keeps what
 * it is told. Messages are refused now and then; what matters comes again.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct notify {
	const char *path;     /* $NOTIFY_SOCKET; NULL: there is no service manager */
	uint64_t watchdog_us; /* 0: none */
	uint64_t full;        /* for one message in so many it has no room */
};

void notify_begin(const struct notify *notify);
const struct notify *notify_now(void);

/* As sendto(2). */
ssize_t notify_send(
        const char *text, size_t size, int flags, const struct sockaddr *to, socklen_t length);

/* The daemon is asked to stop. */
void notify_on_stop(uint64_t drain_ms);

/* A connection has been opened or closed. */
void notify_on_change(void);

void notify_on_iteration(void);
