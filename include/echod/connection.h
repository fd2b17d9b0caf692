/*
 * One TCP peer (or any other stream's), from accept to close: what it sent goes back to it, in
 * order and unchanged (RFC 862), and when it has finished sending and has everything back, the
 * connection ends.
 */
#pragma once

#include "echod/common/address.h"
#include "echod/common/prefix.h"
#include "echod/delivery.h"
#include "echod/echo.h"
#include "echod/handover.h"
#include "echod/pool.h"
#include "echod/source_limit.h"
#include "echod/stats.h"

#include <stdbool.h>
#include <stdint.h>

/* Why a connection ended. */
enum close_reason {
#define CLOSE_REASON(reason, ...) reason,
	CLOSE_REASONS(CLOSE_REASON, ) N_CLOSE_REASONS
#undef CLOSE_REASON
};

/* What all connections share. */
struct connections_config {
	struct ev_loop *loop;         /* its ev_userdata becomes the connections */
	uint32_t limit;               /* connections at once */
	size_t ring_size;             /* bytes, as in echo.h */
	size_t ring_memory;           /* bytes */
	bool log_exits;               /* one EXIT line a connection */
	uint64_t source_limit;        /* connections a source may have at once; 0: any number */
	const struct prefix *proxies; /* connections from there begin with a PROXY header */
	size_t n_proxies;
	bool unix_proxies;               /* and so do those of UNIX sockets */
	const struct handover *handover; /* to be restored, and so more than the limits; or NULL */
	struct stats *stats;
	void (*on_closed)(void *owner); /* a connection has ended and its slot is free */
	void *owner;
};

/* What only some options need; the table of these is mapped only then. */
struct detail {
	uint64_t opened_ns;
	uint32_t source; /* its place in the sources */
	union {          /* most of a struct address would be room for UNIX paths */
		struct sockaddr any;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	} peer;
};

struct connections {
	struct connections_config config;
	struct pool slots; /* of struct connection */
	struct echo echo;
	uint32_t capacity;            /* slots: the limit, or what a reload hands over */
	struct source_limit *sources; /* NULL without a limit for each source */
	struct detail *details;       /* by slot; NULL when not needed */
	struct delivery *deliveries;  /* by slot */
	uint32_t *lingering;          /* the slots of connections that linger, in no order */
	uint32_t n_lingering;
};

/* Returns NULL and sets errno (mmap(2), getentropy(3)). Freeing closes what is open (CLOSE_DRAIN).
 */
struct connections *connections_new(const struct connections_config *config);
void connections_free(struct connections *connections);

/*
 * How a connection is opened or restored: takes a slot, of which one is free (opened_ns:
 * CLOCK_MONOTONIC, 0 for now), adds it to those that linger, and waits for what the connection has
 * to wait for.
 */
struct connection *connection_take_slot(struct connections *connections, const struct address *peer,
        uint32_t source, uint64_t opened_ns);
void connection_linger(struct connections *connections, struct connection *connection);
void connection_wait(struct connections *connections, struct connection *connection, int peer_fd);

/*
 * Ends a connection now. Bytes not yet sent back or not acknowledged by the peer are lost then, and
 * the peer is told so by a reset instead of FIN. (A connection whose peer has finished ends itself:
 * it sends FIN at once and lingers until the peer has acknowledged everything.)
 */
void connection_close(
        struct connections *connections, struct connection *connection, enum close_reason reason);

/*
 * Asks whether all of the bytes sent have been acknowledged, and stores for how many ticks none has
 * been: as delivery_check(). connection_close_reason() names the reason for a connection that has
 * ended with its result, with ECHO_NO_HEADER, or with a negative errno (-EDQUOT: its source's).
 */
int connection_check_delivery(
        struct connections *connections, struct connection *connection, uint32_t *waiting_ticks);
enum close_reason connection_close_reason(int ended);

/* The connections that linger now, by position: closing one moves another to its position. */
uint32_t connections_lingering(const struct connections *connections);
struct connection *connections_lingering_at(struct connections *connections, uint32_t position);

bool connections_full(const struct connections *connections);
/* Whether more are open than the limit allows: after a reload. */
bool connections_overfull(const struct connections *connections);
uint32_t connections_open_now(const struct connections *connections);
size_t connections_rings_lent(const struct connections *connections);

/* Gives back to the system what rings held that are not needed; see ring_pool_trim(). */
bool connections_trim(struct connections *connections, uint32_t looks_a_round);

/* The slots that have ever been used, to be looked through: those with .open set are connections.
 */
uint32_t connections_slots(const struct connections *connections);
struct connection *connections_at(struct connections *connections, uint32_t index);

/* The time that active_at is measured in: tenths of a second, wrapping. Moved on by the sweep. */
uint32_t connections_now(const struct connections *connections);
void connections_advance(struct connections *connections, uint32_t tenths);
