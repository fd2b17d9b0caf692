/*
 * What all connections of a run share: what is sent, when, and what has become of it.
 */
#pragma once

#include "echod/bench/schedule.h"
#include "echod/tools/dial.h"
#include "echod/tools/histogram.h"
#include "echod/tools/payload.h"

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Messages. */
struct counts {
	uint64_t sent; /* in an open loop: due */
	uint64_t echoed;
	uint64_t lost;
	uint64_t late; /* of the lost, those that came after all */
	uint64_t corrupted;
	uint64_t duplicated;
};

struct lane;
struct bench_options;

struct traffic {
	struct ev_loop *loop;
	size_t size;         /* bytes a message */
	size_t depth;        /* messages in flight a lane, in a closed loop */
	bool open_loop;      /* messages are due by the schedule, however many are in flight */
	bool running;        /* messages may begin */
	uint64_t budget;     /* how many more */
	uint64_t timeout_ns; /* what takes longer over UDP is lost */
	size_t n_lanes;      /* message k of the schedule belongs to lane k % n_lanes */
	/* in sessions: messages of a connection, which is closed after them; 0: it stays open */
	uint64_t per_connection;
	uint64_t promised; /* messages that sessions under way have yet to begin */
	size_t capacity;   /* of a lane of datagrams: messages that it can tell apart */
	struct schedule schedule;
	struct counts counts;
	struct tcp_sums tcp;                /* of streams, at their end */
	uint64_t pending;                   /* begun and neither back nor given up */
	struct histogram echo_ns, close_ns; /* close: from one FIN to the other */
	struct payload payload;
	unsigned char *scratch; /* where bytes are received: nothing stays in it */
	size_t scratch_size;
	struct datagram_batch *batch; /* of the datagram lanes */
	int trouble;                  /* the first error met, as a negative errno, or 0 */
	uint64_t n_troubles;
	size_t n_broken; /* lanes that ended before their time */
	void *owner;
	/* A lane has ended and may be started again. NULL: it may not. */
	void (*on_end)(void *owner, struct lane *lane);
};

/* All zero before. */
void traffic_init(struct traffic *traffic, const struct bench_options *options);

/* count messages that started then are back now, unchanged. */
static inline void
traffic_echoed(struct traffic *traffic, uint64_t started_ns, uint64_t now_ns, uint64_t count)
{
	histogram_record(&traffic->echo_ns, now_ns > started_ns ? now_ns - started_ns : 0, count);
	traffic->counts.echoed += count;
	traffic->pending -= count;
}

/* count messages are back, changed. */
static inline void
traffic_corrupted(struct traffic *traffic, uint64_t count)
{
	traffic->counts.corrupted += count;
	traffic->pending -= count;
}

static inline void
traffic_begun(struct traffic *traffic, uint64_t count)
{
	traffic->counts.sent += count;
	traffic->pending += count;
	traffic->budget -= count;
}

/* A session began so many messages less than it might have: they are not made up for. */
static inline void
traffic_forgone(struct traffic *traffic, uint64_t count)
{
	traffic->promised -= count;
	traffic->budget -= count < traffic->budget ? count : traffic->budget;
}

static inline void
traffic_lost(struct traffic *traffic, uint64_t count)
{
	traffic->counts.lost += count;
	traffic->pending -= count;
}

static inline void
traffic_trouble(struct traffic *traffic, int error)
{
	if (traffic->n_troubles++ == 0)
		traffic->trouble = error;
}
