/*
 * Turns what flows into a result: from its beginning to its end, second by second.
 */
#pragma once

#include "echod/bench/options.h"
#include "echod/bench/traffic.h"
#include "echod/tools/result.h"

/* All zero but for what measurement_init() sets; read it freely. */
struct measurement {
	const struct bench_options *options;
	struct traffic *traffic;
	struct result result;
	uint64_t begin_ns, begin_cpu_ns, begin_server_ns;
	struct result_mark mark;
};

void measurement_init(struct measurement *measurement, const struct bench_options *options,
        const struct address *to, struct traffic *traffic);

/*
 * What was counted until now was the warm-up. Messages in flight count as sent now, so that every
 * echo from now on belongs to a message that was sent.
 */
void measurement_begin(struct measurement *measurement);

/* A second is over. */
void measurement_add_interval(struct measurement *measurement);

/* Nothing more is sent: the time for rates and CPU ends here. Fine before the beginning. */
void measurement_end(struct measurement *measurement, const char *ended_by);

/* Brings counts and histograms of the result up to date. */
void measurement_update(struct measurement *measurement);

/* Everything is over: records what has come back since the last interval. */
void measurement_finish(struct measurement *measurement);
