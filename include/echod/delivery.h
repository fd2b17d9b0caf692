/*
 * What the peer's kernel has acknowledged of the bytes sent to it (TCP_INFO, tcp(7)): bytes that
 * our kernel has taken are not delivered before that, and take its memory.
 */
#pragma once

#include <stdint.h>

/* For each connection. A zeroed struct is that of a connection on which nothing has been sent. */
struct delivery {
	uint32_t acked;         /* bytes acknowledged when the kernel was last asked, mod 2^32 */
	uint32_t waiting_since; /* 1 + the tick since when none was acknowledged; 0: none was due */
};

enum {
	DELIVERY_OUTSTANDING = 0,
	DELIVERY_COMPLETE = 1,
};

/*
 * Asks the kernel whether the peer has acknowledged all of the bytes sent so far (sent: their
 * number). Stores for how many ticks it has acknowledged none of those outstanding; the count
 * begins with 0 when it is first asked for. now: the current tick, which may be over, as for
 * active_at. Returns DELIVERY_OUTSTANDING; DELIVERY_COMPLETE, always so for sockets other than
 * TCP's; or the negative errno with which the connection has died before that.
 */
int delivery_check(struct delivery *delivery, int peer_fd, uint64_t sent, uint32_t now,
        uint32_t *waiting_ticks);
