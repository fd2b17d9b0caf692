/*
 * What a run of a tool comes to. One table of fields describes it: by it results are written as
 * JSON, read back and merged. docs/results.md documents the fields.
 */
#pragma once

#include "echod/tools/dial.h"
#include "echod/tools/histogram.h"
#include "echod/tools/tool_options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json_object;

#define RESULT_SCHEMA 1

/* What happened in one second. */
struct result_interval {
	uint64_t time_s; /* since 1970: when the second began, rounded */
	uint64_t sent, echoed, lost;
	unsigned char *hdr; /* the latencies of echoes, as hdr_encode() writes them */
	size_t hdr_size;
};

/* Texts are allocated, or NULL where they do not apply. All zero is the empty result. */
struct result {
	char *tool, *version, *hostname, *label, *host, *address, *protocol;
	uint64_t start_ns;    /* of the measurement, since 1970; 0: nothing was measured */
	uint64_t duration_ns; /* how long it was measured */
	char *ended_by;       /* "duration", "total", "interrupt" and so on */
	char *error;          /* the first that was met, in words */

	/* the options, as given or by default; 0 where they do not apply */
	uint64_t processes, connections, size, depth, rate, total;
	uint64_t per_connection, connect_rate;
	uint64_t wanted_ns, warmup_ns, interval_ns, timeout_ns;

	uint64_t opened, failed, broken; /* connections */
	uint64_t closed_in_time;         /* in order, before the end of the measurement */
	/* messages that were measured; late: of the lost, those that came after all */
	uint64_t sent, echoed, lost, late, corrupted, duplicated, reordered;
	uint64_t warmup_faults;
	uint64_t echoed_in_time; /* before the end of the measurement: what the rate counts */

	uint64_t tool_cpu_ns, server_cpu_ns; /* server: 0 when it was not watched to the end */
	double tool_load;                    /* of a core, of the busiest process */
	struct tcp_sums tcp;
	uint64_t jitter_ns;               /* RFC 3550, the worst flow's */
	uint64_t ipdv_pairs, ipdv_sum_ns; /* differences between successive echoes (RFC 3393) */

	struct histogram connect_ns, echo_ns, close_ns;
	struct result_interval *intervals; /* in the order of their time */
	size_t n_intervals;
};

/* How a result stood at the end of its last interval; all zero at the beginning. */
struct result_mark {
	uint64_t sent, echoed, lost;
	struct histogram echo_ns;
};

/* Fills in the tool, this host and the target. */
void result_describe(struct result *result, const char *tool, const struct tool_target *target,
        const struct address *to);

/* Frees what a result holds and makes it the empty one. */
void result_release(struct result *result);

/* Sets a text of a result to a copy of value; NULL: none. */
void result_set_text(char **text, const char *value);

/* Appends an interval, later than all others. Returns 0 or -ENOMEM. */
int result_add_interval(struct result *result, const struct result_interval *interval,
        const struct histogram *echo_ns);

/* Whether the result has counted anything since the mark. */
bool result_has_more(const struct result *result, const struct result_mark *mark);

/*
 * Appends the interval since the mark, which so many nanoseconds after the start is over, and moves
 * the mark. Returns 0 or -ENOMEM.
 */
int result_end_interval(struct result *result, struct result_mark *mark, uint64_t passed_ns);

/* Moves the intervals of an earlier report in front of those of a later one. Returns 0 or -ENOMEM.
 */
int result_prepend_intervals(struct result *later, struct result *earlier);

/*
 * The result as JSON, with its intervals from this one on; the caller's to put. NULL for want of
 * memory.
 */
struct json_object *result_to_json(const struct result *result, size_t first_interval);

/*
 * Reads a result from JSON. Returns 0, or -EBADMSG and in problem which field is missing or wrong,
 * cut to size bytes. Release the result in either case.
 */
int result_from_json(struct json_object *json, struct result *result, char *problem, size_t size);

/*
 * Adds a result to another one, which may be empty. Returns 0, or -EINVAL and in problem where the
 * two are not of the same run, or -ENOMEM; sum is unchanged only after -EINVAL. Merging is
 * associative, and order does not matter.
 */
int result_merge(struct result *sum, const struct result *part, char *problem, size_t size);

/* Messages echoed per second of the measurement; 0 when nothing was measured. */
double result_rate(const struct result *result);

/* The same of connections that were closed. */
double result_connection_rate(const struct result *result);

/* The tool had less than a tenth of its core to spare. */
bool result_is_limited(const struct result *result);

/* Whether everything came back, once and unchanged, and every connection held. */
bool result_is_clean(const struct result *result);
