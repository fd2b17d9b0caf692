#include "echod/client/options.h"

#include "echod/common/reflection.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum {
	MAX_PENDING = 65536,
};

#define HOUR_MS (UINT64_C(3600) * 1000)

#define OFFSET(field) .offset = offsetof(struct client_options, field)
#define FLAG(field)   .kind = OPTION_SWITCH, OFFSET(field)
#define COUNT(field, low, high)                                                                    \
	.kind = OPTION_COUNT, .argument = "N", .min = (low), .max = (high), OFFSET(field)
#define PORT(field)                                                                                \
	.kind = OPTION_COUNT, .argument = "PORT", .min = 1, .max = UINT16_MAX, OFFSET(field)
#define TIME(field, low)                                                                           \
	.kind = OPTION_TIME, .argument = "TIME", .min = (low), .max = HOUR_MS, OFFSET(field)

enum {
	INTERVAL, /* these first: whether they were given matters beside their values */
	SIZE,
	MESSAGE,
};

static const struct option_spec specs[] = {
        [INTERVAL] = {.name = "interval",
                .letter = 'i',
                TIME(interval_ms, 1),
                .zero_too = 1,
                .preset = "1s",
                .help = "go on, an exchange each TIME; 0: when the last one is back"},
        [SIZE] = {.name = "size",
                .letter = 's',
                .kind = OPTION_SIZE,
                .argument = "BYTES",
                .max = UINT64_C(16) << 20,
                .preset = "56",
                OFFSET(size),
                .help = "exchange so many bytes of a pattern"},
        [MESSAGE] = {.name = "message",
                .letter = 'm',
                .kind = OPTION_TEXT,
                .argument = "TEXT",
                OFFSET(message),
                .help = "exchange this text [Hello, world, unless going on]"},
        {.name = "count",
                .letter = 'c',
                COUNT(count, 1, UINT32_MAX),
                .help = "go on like ping, for so many exchanges"},
        TOOL_TARGET_ROWS(struct client_options, target),
        {.name = "timeout",
                .letter = 'W',
                TIME(timeout_ms, 1),
                .preset = "5s",
                .help = "what takes longer is lost"},
        {.name = "sweep", COUNT(flows, 1, 4096), .help = "the same from N source ports at once"},
        {.name = "source-port", PORT(source_port), .help = "come from here; of a sweep, the first"},
        {.name = "dscp",
                COUNT(dscp, 0, 63),
                .preset = "0",
                .help = "the packets' differentiated services codepoint"},
        {.name = "mtu",
                FLAG(mtu),
                .help = "find the largest datagram that comes back unfragmented"},
        {.name = "json", .letter = 'J', FLAG(json), .help = "for machines: a JSON object a line"},
        {.name = "timestamps",
                .letter = 'D',
                FLAG(timestamps),
                .help = "show when, in seconds since 1970, with each exchange"},
        {.name = "quiet", .letter = 'q', FLAG(quiet), .help = "no line an exchange"},
};

const struct option_table client_option_table = {
        .program = "echod-client",
        .synopsis = "[OPTION]... HOST",
        .summary =
                "Sends to an echo service (RFC 862), checks every byte that comes back, and says "
                "how long it took.",
        .specs = specs,
        .n_specs = sizeof(specs) / sizeof(specs[0]),
};

static bool
is_answered(const struct client_options *o, uint64_t port)
{
	return !o->target.udp ||
	       (!reflection_port_refused((uint16_t)port) && port != o->target.port);
}

uint16_t
client_options_source_port(const struct client_options *o, uint64_t index)
{
	uint64_t port = o->source_port;

	for (; port > 0 && port <= UINT16_MAX; port++)
		if (is_answered(o, port) && index-- == 0)
			return (uint16_t)port;
	return 0;
}

/* What the options mean together; problem stays empty when they go together. */
static void
check(const struct client_options *o, char *problem, size_t size)
{
	unsigned long long n = o->size;

	if (o->mtu && (o->series || o->source_port > 0))
		snprintf(problem, size,
		        "--mtu: not together with --count, --interval, --sweep or --source-port");
	else if (!o->target.udp && o->size == 0)
		snprintf(problem, size, "%s: must not be empty over TCP",
		        o->message ? "--message=" : "--size=0");
	else if (o->target.udp && o->size > TOOL_MAX_IPV6_DATAGRAM)
		snprintf(problem, size, "--size=%llu: must be at most %d bytes over UDP", n,
		        TOOL_MAX_IPV6_DATAGRAM);
	else if (o->source_port > 0 && !is_answered(o, o->source_port))
		snprintf(problem, size, "--source-port=%u: echo services do not answer this port",
		        (unsigned)o->source_port);
	else if (o->source_port > 0 && client_options_source_port(o, o->flows - 1) == 0)
		snprintf(problem, size, "--source-port=%u: leaves less than %u ports for --sweep",
		        (unsigned)o->source_port, (unsigned)o->flows);
	else if (o->interval_ms > 0 && o->timeout_ms / o->interval_ms > MAX_PENDING)
		snprintf(problem, size, "--timeout: must be at most %d times as long as --interval",
		        MAX_PENDING);
}

static bool
is_given(uint64_t given, int option)
{
	return given >> option & 1;
}

/* What follows from what was given. */
static void
complete(struct client_options *options, uint64_t given)
{
	bool endless = options->count == 0 && is_given(given, INTERVAL);

	options->sweep = options->flows > 0;
	options->series = options->count > 0 || endless || options->sweep;
	options->target.udp |= options->mtu;
	if (!options->sweep)
		options->flows = 1;
	if (options->count == 0)
		options->count = endless ? UINT64_MAX : 1;
	if (!options->series && !options->message && !is_given(given, SIZE))
		options->message = "Hello, world";
	if (options->message)
		options->size = strlen(options->message);
}

enum option_outcome
client_options_read(
        struct client_options *options, int argc, char **argv, char *problem, size_t size)
{
	uint64_t given;
	enum option_outcome outcome;

	*options = (struct client_options){0};
	outcome = tool_options_read(
	        &client_option_table, argc, argv, options, &options->target, &given, problem, size);
	if (outcome != OPTIONS_READ)
		return outcome;
	*problem = '\0';
	if (is_given(given, MESSAGE) && is_given(given, SIZE)) {
		snprintf(problem, size, "--message: not together with --size");
		return OPTIONS_WRONG;
	}
	complete(options, given);
	check(options, problem, size);
	return *problem ? OPTIONS_WRONG : OPTIONS_READ;
}
