/*
 * Scripted listeners: accept4(2) ends here. Their descriptors are eventfds, readable as long as
 * a connection waits, so the real epoll reports them like listening sockets.
 */
#pragma once

#include "echod/common/address.h"
#include "echod/listeners.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	SCRIPTED_MAX = 128,
	SCRIPTED_LOG = 64 * 1024,
};

struct scripted_listeners {
	struct listener listeners[SCRIPTED_MAX];
	size_t waiting[SCRIPTED_MAX], accepted[SCRIPTED_MAX];
	size_t count;
	struct address peer; /* whom accept4() says to have accepted */
	int error;           /* errno of the next errors calls */
	size_t errors;
	uint64_t error_takes_ns; /* how long such a call takes */
	size_t calls;            /* of accept4() */
	int last_fd;             /* that accept4() has returned */
	size_t aborts;           /* SO_LINGER 0 was set: RST */
	size_t inlined;          /* SO_OOBINLINE was set */
	int wait_ms;             /* how long epoll_wait(2) was to wait at most; it never does */
	size_t refused_watches;  /* so many descriptors epoll refuses next, with ENOMEM */
	char log[SCRIPTED_LOG];  /* what was written to stderr */
	size_t log_length;
};

extern struct scripted_listeners scripted;

/* count listeners of our own; no connection waits. */
void scripted_open(size_t count);
void scripted_close(void);

/* So many more come and wait. */
void scripted_arrive(size_t listener, size_t newcomers);

/* accept4() calls that accepted a connection, at all scripted. */
size_t scripted_accepted(void);

/* How often text is in the log. */
size_t scripted_logged(const char *text);
