/*
 * A whole run: open the connections, warm up, measure, wait for what is still under way.
 */
#ifndef ECHOD_BENCH_LOAD_H
#define ECHOD_BENCH_LOAD_H

#include "echod/bench/lane.h"
#include "echod/bench/opener.h"
#include "echod/bench/options.h"
#include "echod/bench/traffic.h"

/* A moment: the difference of two is what was measured. */
struct mark {
	uint64_t time_ns, own_cpu_ns, peer_cpu_ns;
	struct counts counts;
};

enum load_phase {
	LOAD_OPENING,
	LOAD_WARMING,
	LOAD_MEASURING,
	LOAD_DRAINING, /* nothing new is sent; what is under way may come back */
	LOAD_DONE,
};

/* Read it freely; only load.c writes. */
struct load {
	const struct bench_options *options;
	struct address to;
	enum load_phase phase;
	struct traffic traffic;
	struct opener opener;
	const struct lane_kind *kind;
	unsigned char *lanes; /* n_lanes of them, one each stride bytes */
	size_t stride, n_lanes;
	struct mark begin, end; /* of the measurement */
	bool interrupted;
	uint64_t issued;       /* of the schedule */
	uint64_t last_settled; /* how many messages had been, at the time */
	uint64_t progress_ns;  /* when any was settled last */

	/* called each second of the load; NULL: nobody watches */
	void (*on_second)(const struct load *load);
	ev_timer phase_timer, tick, second;
	ev_io pacer; /* a timerfd: the loop's own timers are in milliseconds */
	ev_prepare turn;
	ev_signal interrupt, terminate;
};

/*
 * Prepares a run towards an address. Returns 0 or a negative errno: -EMFILE when so many files may
 * not be open. Release it in either case. A load is large: not for the stack.
 */
int load_init(struct load *load, const struct bench_options *options, const struct address *to);

/* Runs on the default loop. Returns 0, or when nothing could be connected a negative errno. */
int load_run(struct load *load);

void load_release(struct load *load);

#endif
