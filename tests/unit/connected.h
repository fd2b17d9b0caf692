/*
 * Connections to the peer of the scripted kernel (kernel.h), on a real loop.
 */
#pragma once

#include "kernel.h"

#include "echod/connection_begin.h"

enum {
	RING = 4096,
	LIMIT = 4, /* connections */
};

extern struct ev_loop *loop;
extern struct stats stats;
extern struct connections *connections;
extern int closed; /* calls of on_closed */
extern const struct address peer;

/* The group's set-up and tear-down. */
int connected_loop_up(void **state);
int connected_loop_down(void **state);

/* Connections as the config says; what is the same in all tests need not stand in it. */
void connected_begin_as(struct connections_config config);

/* Connections with so many rings, each source with so many of them (0: any number). */
void connected_begin(uint32_t rings, uint64_t source_limit);

/* Nothing is lent any more, the counters agree, and all is given back. */
void connected_end(void);

/* The real descriptor is for libev's sake; its bytes are the scripted kernel's. */
struct connection *connected_open(void);

/* What epoll reports of these events reaches the connection if it waits for them. */
void connected_iterate(struct connection *c, int events);
