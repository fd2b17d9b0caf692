#include "echod/bench/options.h"

#include "echod/tools/payload.h"
#include "echod/tools/timestamp.h"

#include <errno.h>
#include <stdio.h>

enum {
	DURATION_MS = 10000,
	CROWD = 500,             /* connections at a time in an open loop of them */
	MEMORY = 64,             /* slots beyond those in flight, to know a duplicate */
	MAX_IN_FLIGHT = 1 << 26, /* what is kept in memory about them stays within 2 GiB */
};

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

static int
set_sources(void *options, const char *text)
{
	struct bench_options *o = options;

	return source_range_parse(text, &o->sources);
}

static int
set_start(void *options, const char *text)
{
	struct bench_options *o = options;
	uint64_t start_ns;

	if (timestamp_parse(text, &start_ns) < 0 || start_ns <= timestamp_now_ns())
		return -EINVAL;
	o->start_at_ns = start_ns;
	return 0;
}

#define OFFSET(field) .offset = offsetof(struct bench_options, field)
#define FLAG(field)   .kind = OPTION_SWITCH, OFFSET(field)
#define COUNT(field, high)                                                                         \
	.kind = OPTION_COUNT, .argument = "N", .min = 1, .max = (high), OFFSET(field)
#define TIME(field, low)                                                                           \
	.kind = OPTION_TIME, .argument = "TIME", .min = (low), .max = DAY_MS, OFFSET(field)

static const struct option_spec specs[] = {
        TOOL_TARGET_ROWS(struct bench_options, target),
        {.name = "connections",
                .letter = 'c',
                COUNT(connections, 1000000),
                .help = "connections, or sockets over UDP [1, with --connect-rate 500]"},
        {.name = "size",
                .letter = 's',
                .kind = OPTION_SIZE,
                .argument = "BYTES",
                .preset = "64",
                .min = 1,
                .max = UINT64_C(16) << 20,
                OFFSET(size),
                .help = "bytes a message"},
        {.name = "depth",
                .letter = 'd',
                COUNT(depth, 65536),
                .preset = "1",
                .help = "messages in flight a connection; not with --rate"},
        {.name = "duration",
                .letter = 't',
                TIME(duration_ms, 1),
                .help = "measure so long [10s, without --total]"},
        {.name = "total",
                .letter = 'n',
                COUNT(total, UINT64_C(1000000000000)),
                .help = "stop after so many messages"},
        {.name = "rate",
                .letter = 'r',
                COUNT(rate, 100000000),
                .help = "send N messages per second on schedule, whatever comes back"},
        {.name = "messages-per-connection",
                COUNT(messages_per_connection, UINT64_C(1000000000000)),
                .help = "close each connection after N messages and open the next"},
        {.name = "connect-rate",
                COUNT(connect_rate, 1000000),
                .help = "open N connections per second on schedule"},
        {.name = "warmup",
                .letter = 'w',
                TIME(warmup_ms, 0),
                .preset = "0",
                .help = "load so long before measuring"},
        {.name = "timeout",
                .letter = 'W',
                TIME(timeout_ms, 1),
                .preset = "2s",
                .help = "a connection or a datagram that takes longer is lost"},
        {.name = "processes",
                COUNT(processes, 1024),
                .preset = "1",
                .help = "share connections and rate among so many processes"},
        {.name = "start-at",
                .kind = OPTION_CALL,
                .argument = "TIME",
                .call = set_start,
                .expects = "a moment to come, such as 2030-01-31T12:00:00Z or seconds since 1970",
                .help = "open the connections now, send from this moment on"},
        {.name = "label",
                .kind = OPTION_TEXT,
                .argument = "TEXT",
                OFFSET(label),
                .help = "a name for this run in its results"},
        {.name = "source",
                .kind = OPTION_CALL,
                .argument = "ADDRESSES",
                .call = set_sources,
                .expects = "an address, a prefix such as 127.0.0.0/16, or a first and a last "
                           "address such as 192.0.2.1-192.0.2.9",
                .help = "come from these in turn, for more ports than one has"},
        {.name = "stats-pid",
                .kind = OPTION_COUNT,
                .argument = "PID",
                .min = 1,
                .max = 4194304, /* the kernel's PID_MAX_LIMIT */
                OFFSET(stats_pid),
                .help = "show the CPU time of the server's process, too"},
        {.name = "json", .letter = 'J', FLAG(json), .help = "for machines: the summary as JSON"},
        {.name = "output",
                .letter = 'o',
                .kind = OPTION_TEXT,
                .argument = "FILE",
                OFFSET(output_file),
                .help = "write the result as JSON to FILE, renewed during the run"},
        {.name = "report",
                .kind = OPTION_TEXT,
                .argument = "FILE",
                OFFSET(report_file),
                .help = "draw the result as a page (HTML) in FILE"},
        {.name = "histogram",
                .kind = OPTION_TEXT,
                .argument = "FILE",
                OFFSET(histogram_file),
                .help = "write the percentiles of the latency, as HdrHistogram does"},
};

const struct option_table bench_option_table = {
        .program = "echod-bench",
        .synopsis = "[OPTION]... HOST",
        .summary = "Loads an echo service (RFC 862), checks every byte that comes back, and says "
                   "what it can do.",
        .specs = specs,
        .n_specs = sizeof(specs) / sizeof(specs[0]),
};

uint64_t
bench_options_capacity(const struct bench_options *o)
{
	uint64_t per_socket = o->rate / o->connections + 1;

	/* in an open loop what is due until it is given up, and half of that again */
	return o->rate > 0 ? per_socket * (o->timeout_ms + 100) / 1000 * 3 / 2 + MEMORY
	                   : 2 * o->depth + MEMORY;
}

const char *
bench_options_fit(const struct bench_options *o, const struct address *to)
{
	if (o->sources.first.length > 0 && o->sources.first.any.sa_family != to->any.sa_family)
		return "--source: is of the other IP version";
	return tool_target_fit(&o->target, o->size, to);
}

/* Whether a number that is given does not reach for all processes. */
static bool
is_below(uint64_t number, uint64_t processes)
{
	return number > 0 && number < processes;
}

static void
check(const struct bench_options *o, char *problem, size_t size)
{
	static const char at_most[] = "--processes=%u: must be at most --%s";
	uint64_t in_flight = o->rate > 0 ? (bench_options_capacity(o) - MEMORY) * o->connections
	                                 : o->depth * o->connections;

	if (o->target.udp && (o->size < PAYLOAD_KEY_SIZE || o->size > TOOL_MAX_IPV6_DATAGRAM))
		snprintf(problem, size,
		        "--size=%u: must be from %d to %d bytes over UDP, where each message "
		        "carries its number",
		        (unsigned)o->size, PAYLOAD_KEY_SIZE, TOOL_MAX_IPV6_DATAGRAM);
	else if (o->processes > o->connections)
		snprintf(problem, size, at_most, (unsigned)o->processes, "connections");
	else if (o->target.udp && o->messages_per_connection > 0)
		snprintf(problem, size, "--messages-per-connection: not over UDP");
	else if (o->rate > 0 && o->messages_per_connection > 0)
		snprintf(problem, size,
		        "--rate: not with --messages-per-connection, but --connect-rate is");
	else if (is_below(o->rate, o->processes))
		snprintf(problem, size, at_most, (unsigned)o->processes, "rate");
	else if (is_below(o->connect_rate, o->processes))
		snprintf(problem, size, at_most, (unsigned)o->processes, "connect-rate");
	else if (is_below(o->total, o->processes))
		snprintf(problem, size, at_most, (unsigned)o->processes, "total");
	else if (in_flight > MAX_IN_FLIGHT && o->rate)
		snprintf(problem, size, "--rate: must be at most %d messages in --timeout",
		        MAX_IN_FLIGHT);
	else if (in_flight > MAX_IN_FLIGHT)
		snprintf(problem, size, "--depth: must be at most %d messages on all --connections",
		        MAX_IN_FLIGHT);
}

enum option_outcome
bench_options_read(struct bench_options *options, int argc, char **argv, char *problem, size_t size)
{
	uint64_t given;
	enum option_outcome outcome;

	*options = (struct bench_options){0};
	outcome = tool_options_read(
	        &bench_option_table, argc, argv, options, &options->target, &given, problem, size);
	if (outcome != OPTIONS_READ)
		return outcome;
	if (options->connect_rate > 0 && options->messages_per_connection == 0)
		options->messages_per_connection = 1;
	if (options->connections == 0)
		options->connections = options->connect_rate > 0 ? CROWD : 1;
	*problem = '\0';
	check(options, problem, size);
	if (*problem)
		return OPTIONS_WRONG;
	if (options->duration_ms == 0 && options->total == 0)
		options->duration_ms = DURATION_MS;
	return OPTIONS_READ;
}
