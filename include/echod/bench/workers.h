/*
 * The processes of a run. Each worker has its share of the connections, of the rate and of the
 * total, loads, and reports over a pipe; this process waits, merges and shows.
 */
#pragma once

#include "echod/bench/options.h"
#include "echod/common/address.h"
#include "echod/tools/result.h"

#include <stdbool.h>
#include <stddef.h>

struct worker;

/* Set what is above the line, zero the rest. */
struct workers {
	const struct bench_options *options;
	const struct address *to;
	/* Called each second of the run, and once before; NULL: never. */
	void (*on_second)(const struct workers *workers);
	/* ---- */
	struct worker *all;
	int go_fd; /* closing it starts the load */
};

/*
 * Runs until all workers have ended and makes the result of the run, which is the caller's to
 * release in either case. Returns 0 or a negative errno. SIGINT and SIGTERM go to the workers and
 * must be blocked.
 */
int workers_run(struct workers *workers, struct result *result);

/*
 * Within on_second: the result up to now, with all intervals, or with only the last of each worker.
 * Returns 0 or a negative errno; release the result in either case.
 */
int workers_merge(const struct workers *workers, bool last_only, struct result *result);
