#include "echod/bench/options.h"

#include "echod/payload.h"

#include <stdio.h>

enum {
	DURATION_MS = 10000,
	MAX_DATAGRAM = 65527,
	MAX_IN_FLIGHT = 1 << 26, /* what is kept in memory about them stays within 2 GiB */
};

#define AT(field) offsetof(struct bench_options, field)
#define DAY_MS    (UINT64_C(24) * 3600 * 1000)

static int
set_sources(void *options, const char *text)
{
	struct bench_options *o = options;

	return source_range_parse(text, &o->sources);
}

static const struct option_spec specs[] = {
        {.name = "ipv4",
                .letter = '4',
                .kind = OPTION_FLAG,
                .offset = AT(ipv4),
                .help = "only IPv4 addresses of HOST"},
        {.name = "ipv6",
                .letter = '6',
                .kind = OPTION_FLAG,
                .offset = AT(ipv6),
                .help = "only IPv6 addresses of HOST"},
        {.name = "udp",
                .letter = 'u',
                .kind = OPTION_FLAG,
                .offset = AT(udp),
                .help = "datagrams instead of TCP connections"},
        {.name = "port",
                .letter = 'p',
                .kind = OPTION_COUNT,
                .argument = "PORT",
                .preset = "50007",
                .offset = AT(port),
                .min = 1,
                .max = UINT16_MAX,
                .help = "the peer's port"},
        {.name = "connections",
                .letter = 'c',
                .kind = OPTION_COUNT,
                .argument = "N",
                .preset = "1",
                .offset = AT(connections),
                .min = 1,
                .max = 1000000,
                .help = "connections, or sockets over UDP"},
        {.name = "size",
                .letter = 's',
                .kind = OPTION_SIZE,
                .argument = "BYTES",
                .preset = "64",
                .offset = AT(size),
                .min = 1,
                .max = UINT64_C(16) << 20,
                .help = "bytes a message"},
        {.name = "depth",
                .letter = 'd',
                .kind = OPTION_COUNT,
                .argument = "N",
                .preset = "1",
                .offset = AT(depth),
                .min = 1,
                .max = 65536,
                .help = "messages in flight a connection; no meaning with --rate"},
        {.name = "duration",
                .letter = 't',
                .kind = OPTION_TIME,
                .argument = "TIME",
                .offset = AT(duration_ms),
                .min = 1,
                .max = DAY_MS,
                .help = "measure for TIME (10s, without --total)"},
        {.name = "total",
                .letter = 'n',
                .kind = OPTION_COUNT,
                .argument = "N",
                .offset = AT(total),
                .min = 1,
                .max = UINT64_C(1000000000000),
                .help = "stop after N messages"},
        {.name = "rate",
                .letter = 'r',
                .kind = OPTION_COUNT,
                .argument = "N",
                .offset = AT(rate),
                .min = 1,
                .max = 100000000,
                .help = "N messages a second on schedule, whatever comes back"},
        {.name = "warmup",
                .letter = 'w',
                .kind = OPTION_TIME,
                .argument = "TIME",
                .preset = "0",
                .offset = AT(warmup_ms),
                .min = 0,
                .max = DAY_MS,
                .help = "load for TIME before measuring"},
        {.name = "timeout",
                .letter = 'W',
                .kind = OPTION_TIME,
                .argument = "TIME",
                .preset = "2s",
                .offset = AT(timeout_ms),
                .min = 1,
                .max = 3600000,
                .help = "a connection or a datagram that takes longer is lost"},
        {.name = "source",
                .kind = OPTION_CALL,
                .argument = "ADDRESSES",
                .call = set_sources,
                .expects = "an address, a prefix such as 127.0.0.0/16, or a first and a last one "
                           "such as 10.0.0.1-10.0.0.9",
                .help = "come from these in turn"},
        {.name = "stats-pid",
                .kind = OPTION_COUNT,
                .argument = "PID",
                .offset = AT(stats_pid),
                .min = 1,
                .max = INT32_MAX,
                .help = "show what the server's process spends"},
        {.name = "json",
                .letter = 'J',
                .kind = OPTION_FLAG,
                .offset = AT(json),
                .help = "for machines: the summary as JSON"},
        {.name = "histogram",
                .kind = OPTION_TEXT,
                .argument = "FILE",
                .offset = AT(histogram_file),
                .help = "write the latencies' percentiles as HdrHistogram does"},
};

const struct option_table bench_option_table = {
        .program = "echod-bench",
        .synopsis = "[OPTION]... HOST",
        .summary = "Loads an echo service (RFC 862), checks every byte that comes back, and says "
                   "what it can do.",
        .specs = specs,
        .n_specs = sizeof(specs) / sizeof(specs[0]),
};

static void
check(const struct bench_options *o, char *problem, size_t size)
{
	uint64_t in_flight = o->rate ? o->rate / 1000 * o->timeout_ms : o->depth * o->connections;

	if (o->ipv4 && o->ipv6)
		snprintf(problem, size, "--ipv6: not together with --ipv4");
	else if (o->udp && (o->size < PAYLOAD_KEY_SIZE || o->size > MAX_DATAGRAM))
		snprintf(problem, size,
		        "--size=%u: must be from %d to %d bytes over UDP, where each message "
		        "carries its number",
		        (unsigned)o->size, PAYLOAD_KEY_SIZE, MAX_DATAGRAM);
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
	enum option_outcome outcome;
	int host;

	*options = (struct bench_options){0};
	outcome = option_table_read(&bench_option_table, argc, argv, options, &host, problem, size);
	if (outcome != OPTIONS_READ)
		return outcome;
	*problem = '\0';
	if (host >= argc)
		snprintf(problem, size, "HOST is missing");
	else if (argc - host > 1)
		snprintf(problem, size, "%s: one HOST at a time", argv[host + 1]);
	else
		check(options, problem, size);
	if (*problem)
		return OPTIONS_WRONG;
	options->host = argv[host];
	if (options->duration_ms == 0 && options->total == 0)
		options->duration_ms = DURATION_MS;
	return OPTIONS_READ;
}
