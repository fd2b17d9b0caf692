/*
 * A whole run: open the connections, wait for the start, warm up, measure, wait for what is in
 * flight.
 */
#pragma once

#include "echod/bench/lane.h"
#include "echod/bench/measurement.h"
#include "echod/bench/opener.h"
#include "echod/bench/options.h"
#include "echod/bench/pacer.h"
#include "echod/bench/traffic.h"

enum load_phase {
	LOAD_OPENING,
	LOAD_WAITING, /* for the other processes and for --start-at */
	LOAD_WARMING,
	LOAD_MEASURING,
	LOAD_DRAINING, /* nothing new is sent; what is in flight may come back */
	LOAD_DONE,
};

/* Read it freely; only load.c writes. */
struct load {
	const struct bench_options *options;
	enum load_phase phase;
	struct traffic traffic;
	struct opener opener;
	const struct lane_kind *kind;
	unsigned char *lanes; /* n_lanes of them, one each stride bytes */
	size_t stride, n_lanes;
	struct lane **idle;        /* of sessions: the n_idle lanes that are free */
	size_t n_idle, n_sessions; /* under way, from before they have a lane */
	struct measurement measurement;
	bool interrupted;
	uint64_t issued;       /* of the schedule */
	uint64_t last_settled; /* how many messages had been, at the time */
	uint64_t progress_ns;  /* when any was settled last */

	/* Called when all connections are open, and each second of the load. */
	void (*on_report)(struct load *load, void *owner);
	void *owner;
	int go_fd; /* the load begins when this pipe is closed; -1: at once */
	ev_io go;
	ev_timer phase_timer, tick, second;
	struct pacer pacer;
	ev_prepare iteration;
	ev_signal interrupt, terminate;
};

static inline struct lane *
load_lane(const struct load *load, uint64_t i)
{
	return (struct lane *)(void *)(load->lanes + i * load->stride);
}

/*
 * Prepares a run towards an address; first is the place of its connections among those of all
 * processes. Returns 0 or a negative errno. Release it in either case. A load is large: not for the
 * stack.
 */
int load_init(struct load *load, const struct bench_options *options, const struct address *to,
        uint64_t first);

/* Starts to open the connections and to watch for SIGINT and SIGTERM. */
void load_start(struct load *load);

/* Runs on the default loop. The result is in measurement, with the error of a run without any. */
void load_run(struct load *load);

/* Brings the result up to date. */
void load_update(struct load *load);

void load_release(struct load *load);
