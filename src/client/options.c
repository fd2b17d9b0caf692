#include "echod/client/options.h"

#include "echod/reflection.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum {
	SERIES_SIZE = 56, /* ping's */
	MAX_DATAGRAM = 65527,
	MAX_PENDING = 65536,
	SERIES_INTERVAL_MS = 1000,
};

#define NOT_GIVEN UINT64_MAX
#define AT(field) offsetof(struct client_options, field)
#define HOUR_MS   (UINT64_C(3600) * 1000)

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
                .help = "datagrams instead of a TCP connection"},
        {.name = "port",
                .letter = 'p',
                .kind = OPTION_COUNT,
                .argument = "PORT",
                .preset = "50007",
                .offset = AT(port),
                .min = 1,
                .max = UINT16_MAX,
                .help = "the peer's port"},
        {.name = "count",
                .letter = 'c',
                .kind = OPTION_COUNT,
                .argument = "N",
                .offset = AT(count),
                .min = 1,
                .max = UINT32_MAX,
                .help = "go on like ping, for N exchanges"},
        {.name = "interval",
                .letter = 'i',
                .kind = OPTION_TIME,
                .argument = "TIME",
                .offset = AT(interval_ms),
                .min = 1,
                .max = HOUR_MS,
                .zero_too = true,
                .help = "go on, one exchange each TIME (1s); 0: when the last is back"},
        {.name = "size",
                .letter = 's',
                .kind = OPTION_SIZE,
                .argument = "BYTES",
                .offset = AT(size),
                .min = 0,
                .max = UINT64_C(16) << 20,
                .help = "exchange BYTES of a pattern (56 when going on)"},
        {.name = "message",
                .letter = 'm',
                .kind = OPTION_TEXT,
                .argument = "TEXT",
                .offset = AT(message),
                .help = "exchange TEXT (Hello, world)"},
        {.name = "timeout",
                .letter = 'W',
                .kind = OPTION_TIME,
                .argument = "TIME",
                .preset = "5s",
                .offset = AT(timeout_ms),
                .min = 1,
                .max = HOUR_MS,
                .help = "what takes longer than TIME is lost"},
        {.name = "sweep",
                .kind = OPTION_COUNT,
                .argument = "N",
                .offset = AT(flows),
                .min = 1,
                .max = 4096,
                .help = "the same from N source ports at once"},
        {.name = "source-port",
                .kind = OPTION_COUNT,
                .argument = "PORT",
                .offset = AT(source_port),
                .min = 1,
                .max = UINT16_MAX,
                .help = "the own port, of a sweep the first"},
        {.name = "dscp",
                .kind = OPTION_COUNT,
                .argument = "N",
                .preset = "0",
                .offset = AT(dscp),
                .min = 0,
                .max = 63,
                .help = "the packets' differentiated services codepoint"},
        {.name = "json",
                .kind = OPTION_FLAG,
                .offset = AT(json),
                .help = "for machines: one JSON object a line"},
        {.name = "quiet",
                .letter = 'q',
                .kind = OPTION_FLAG,
                .offset = AT(quiet),
                .help = "no line an exchange"},
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

/* What the options mean together; problem stays empty when they go together. */
static void
check(const struct client_options *o, char *problem, size_t size)
{
	unsigned long long n = o->size;

	if (o->ipv4 && o->ipv6)
		snprintf(problem, size, "--ipv6: not together with --ipv4");
	else if (!o->udp && o->size == 0)
		snprintf(problem, size, "%s: must not be empty over TCP",
		        o->message ? "--message=" : "--size=0");
	else if (o->udp && o->size > MAX_DATAGRAM)
		snprintf(problem, size, "--size=%llu: must be at most %d bytes over UDP", n,
		        MAX_DATAGRAM);
	else if (o->source_port + o->flows - 1 > UINT16_MAX)
		snprintf(problem, size, "--source-port=%u: leaves less than %u ports for --sweep",
		        (unsigned)o->source_port, (unsigned)o->flows);
	else if (o->udp && o->source_port > 0 && reflection_port_refused((uint16_t)o->source_port))
		snprintf(problem, size, "--source-port=%u: echo services do not answer this port",
		        (unsigned)o->source_port);
	else if (o->interval_ms > 0 && o->timeout_ms / o->interval_ms > MAX_PENDING)
		snprintf(problem, size, "--timeout: must be at most %d times as long as --interval",
		        MAX_PENDING);
}

enum option_outcome
client_options_read(
        struct client_options *options, int argc, char **argv, char *problem, size_t size)
{
	enum option_outcome outcome;
	int host;

	*options = (struct client_options){.interval_ms = NOT_GIVEN, .size = NOT_GIVEN};
	outcome =
	        option_table_read(&client_option_table, argc, argv, options, &host, problem, size);
	if (outcome != OPTIONS_READ)
		return outcome;
	*problem = '\0';
	if (host >= argc)
		snprintf(problem, size, "HOST is missing");
	else if (argc - host > 1)
		snprintf(problem, size, "%s: one HOST at a time", argv[host + 1]);
	else if (options->message && options->size != NOT_GIVEN)
		snprintf(problem, size, "--message: not together with --size");
	if (*problem)
		return OPTIONS_WRONG;

	options->host = argv[host];
	options->sweep = options->flows > 0;
	if (!options->sweep)
		options->flows = 1;
	options->series = options->count > 0 || options->interval_ms != NOT_GIVEN || options->sweep;
	if (options->count == 0)
		options->count = options->interval_ms != NOT_GIVEN ? UINT64_MAX : 1;
	if (options->interval_ms == NOT_GIVEN)
		options->interval_ms = SERIES_INTERVAL_MS;
	if (!options->message && options->size == NOT_GIVEN && !options->series)
		options->message = "Hello, world";
	if (options->message)
		options->size = strlen(options->message);
	else if (options->size == NOT_GIVEN)
		options->size = SERIES_SIZE;
	check(options, problem, size);
	return *problem ? OPTIONS_WRONG : OPTIONS_READ;
}
