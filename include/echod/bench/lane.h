/*
 * One connection, or one socket for datagrams, on which messages go out and come back. There are
 * two kinds with one interface. Nothing is allocated while messages flow.
 */
#pragma once

#include "echod/bench/traffic.h"

/* What every kind begins with. */
struct lane {
	ev_io io; /* first: the callbacks get it */
	struct traffic *traffic;
	uint64_t index;
	uint64_t pending; /* messages begun and neither back nor given up */
	bool open;
};

struct lane_kind {
	/* Memory that a lane takes; multiples of this follow one another. */
	size_t (*size)(const struct traffic *traffic);
	/* What all lanes share. Returns 0 or a negative errno. */
	int (*prepare)(struct traffic *traffic);
	/* Takes over a connected socket. Returns 0 or a negative errno; end it in either case. */
	int (*start)(struct lane *lane, struct traffic *traffic, uint64_t index, int peer_fd);
	/* In a closed loop: begins as many messages as it may. Sends what is begun. */
	void (*pump)(struct lane *lane);
	/* In an open loop: its next message is due. Pump it soon. */
	void (*add)(struct lane *lane);
	/* Gives up what has taken too long, tries again what could not be sent. */
	void (*tick)(struct lane *lane, uint64_t now_ns);
	/* Closes it; what is pending is lost, and traffic's on_end is told. Fine for one that is
	 * all zero, or ended. */
	void (*end)(struct lane *lane);
};

extern const struct lane_kind stream_lane;
extern const struct lane_kind datagram_lane;

/* Makes libev wait for writability too, or not any more. */
static inline void
lane_await(struct lane *lane, bool writable)
{
	int events = writable ? EV_READ | EV_WRITE : EV_READ;

	if ((lane->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(lane->traffic->loop, &lane->io);
	ev_io_set(&lane->io, lane->io.fd, events);
	ev_io_start(lane->traffic->loop, &lane->io);
}
