#include "echod/options.h"

#include "echod/common/reflection.h"
#include "echod/common/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define DAY_MS          UINT64_C(86400000)
#define DIGITS(number)  #number
#define DECIMAL(number) DIGITS(number)

static int
add_address(void *into, const char *text)
{
	struct options *options = into;
	struct address checked;
	const char **more;
	int error = address_parse(text, 0, &checked);

	if (error)
		return error;
	more = realloc(options->listen, (options->n_listen + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	options->listen = more;
	options->listen[options->n_listen++] = text;
	return 0;
}

static int
add_port(struct port_list *list, const char *text, uint64_t least)
{
	uint16_t *more;
	uint64_t port;

	if (units_parse_count(text, &port) < 0 || port < least || port > UINT16_MAX)
		return -EINVAL;
	more = reallocarray(list->ports, list->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	list->ports = more;
	list->ports[list->count++] = (uint16_t)port;
	return 0;
}

static int
allow_source_port(void *into, const char *text)
{
	struct options *options = into;

	return add_port(&options->udp_allowed, text, 1); /* nothing can be sent to port 0 */
}

static int
refuse_source_port(void *into, const char *text)
{
	struct options *options = into;

	return add_port(&options->udp_refused, text, 0);
}

static int
add_exempt(void *into, const char *text)
{
	struct prefix_list *list = &((struct options *)into)->udp_exempt;
	struct prefix prefix, *more;

	if (prefix_parse(text, &prefix) < 0)
		return -EINVAL;
	more = reallocarray(list->prefixes, list->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	list->prefixes = more;
	list->prefixes[list->count++] = prefix;
	return 0;
}

static int
set_stats_socket(void *into, const char *text)
{
	struct options *options = into;
	size_t length = strlen(text);

	options->stats_socket = text;
	return length > 0 && length < sizeof((struct sockaddr_un){0}.sun_path) ? 0 : -EINVAL;
}

#define OFFSET(field)    .offset = offsetof(struct options, field)
#define SWITCH(field)    .kind = OPTION_SWITCH, OFFSET(field)
#define SWITCH_ON(field) SWITCH(field), .argument = "on|off", .preset = "on"
#define COUNT(field, low, high)                                                                    \
	.kind = OPTION_COUNT, .argument = "N", .min = (low), .max = (high), OFFSET(field)
#define SIZE(field, low, high)                                                                     \
	.kind = OPTION_SIZE, .argument = "BYTES", .min = (low), .max = (high), OFFSET(field)
#define TIME(field, low, high)                                                                     \
	.kind = OPTION_TIME, .argument = "TIME", .min = (low), .max = (high), .zero_too = 1,       \
	OFFSET(field)

enum {
	N_LISTENING = 4, /* the first specs say where to listen */
};

static const struct option_spec specs[] = {
        {.name = "listen",
                .kind = OPTION_CALL,
                .argument = "ADDRESS",
                .call = add_address,
                .expects =
                        "an address such as 192.0.2.1, 192.0.2.1:7, 2001:db8::1 or [2001:db8::1]:7",
                .help = "listen here, over TCP and UDP; may be repeated [all addresses]"},
        {.name = "port",
                .kind = OPTION_COUNT,
                .argument = "PORT",
                .preset = "50007",
                .max = UINT16_MAX,
                OFFSET(port),
                .help = "port for addresses without one; 0 takes a free one"},
        {.name = "tcp", SWITCH_ON(tcp), .help = "listen over TCP"},
        {.name = "udp", SWITCH_ON(udp), .help = "listen over UDP"},
        {.name = "max-connections",
                COUNT(max_connections, 1, 100000000),
                .help = "connections at once [what the file limit allows, at most 100000]"},
        {.name = "max-connections-per-source",
                COUNT(max_connections_per_source, 0, UINT32_MAX),
                .preset = "0",
                .help = "from one IPv4 address or IPv6 /64; 0: no limit"},
        {.name = "accept-rate",
                COUNT(accept_rate, 0, 1000000000),
                .preset = "0",
                .help = "connections accepted a second, the others wait; 0: no limit"},
        {.name = "buffer-size",
                SIZE(buffer_size, 4096, UINT64_C(1) << 30),
                .preset = "256K",
                .help = "a connection's ring, lent while it holds bytes"},
        {.name = "buffer-memory",
                SIZE(buffer_memory, 0, UINT64_C(1) << 40),
                .preset = "256M",
                .help = "all rings together; beyond, bytes wait in the kernel"},
        {.name = "idle-timeout",
                TIME(idle_timeout, 100, 365 * DAY_MS),
                .preset = "0",
                .help = "close connections idle this long; 0: never"},
        {.name = "idle-timeout-full",
                TIME(idle_timeout_full, 100, 365 * DAY_MS),
                .preset = "60s",
                .help = "at the limit, the one idle longest, and this long, gives way; 0: never"},
        {.name = "stall-timeout",
                TIME(stall_timeout, 100, 365 * DAY_MS),
                .preset = "60s",
                .help = "reset connections that take none of their bytes this long; 0: never"},
        {.name = "keepalive",
                TIME(keepalive, 1000, 32767000),
                .preset = "10m",
                .help = "silence after which a peer is probed, 3 times 30s apart; 0: never"},
        {.name = "drain-timeout",
                TIME(drain_timeout, 1, DAY_MS),
                .preset = "5s",
                .help = "how long open connections may go on after SIGTERM"},
        {.name = "activated",
                SWITCH(activated),
                .help = "serve sockets handed over by systemd; without any, fail"},
        {.name = "exit-idle-time",
                TIME(exit_idle_time, 1000, 365 * DAY_MS),
                .preset = "0",
                .help = "end when idle this long and systemd starts us again; 0: never"},
        {.name = "udp-allow-source-port",
                .kind = OPTION_CALL,
                .argument = "PORT",
                .call = allow_source_port,
                .expects = "a whole number from 1 to 65535",
                .help = "answer datagrams from this port all the same; may be repeated"},
        {.name = "udp-refuse-source-port",
                .kind = OPTION_CALL,
                .argument = "PORT",
                .call = refuse_source_port,
                .expects = "a whole number from 0 to 65535",
                .help = "never answer datagrams from this port; may be repeated"},
        {.name = "udp-rate",
                COUNT(udp_rate, 0, 10000000),
                .preset = DECIMAL(REFLECTION_RATE),
                .help = "datagrams a second from one IPv4 address or IPv6 /64; 0: no limit"},
        {.name = "udp-rate-exempt",
                .kind = OPTION_CALL,
                .argument = "PREFIX",
                .call = add_exempt,
                .expects = "a prefix such as 192.0.2.0/24 or 2001:db8::/32",
                .help = "sources that --udp-rate does not limit; may be repeated"},
        {.name = "udp-rate-log-only",
                SWITCH(udp_rate_log_only),
                .help = "log who exceeds --udp-rate, and answer all the same"},
        {.name = "udp-offload",
                SWITCH_ON(udp_offload),
                .help = "receive and send several datagrams as one message"},
        {.name = "dscp", SWITCH_ON(dscp), .help = "reflect the DSCP of a datagram in the reply"},
        {.name = "log-connections",
                SWITCH(log_connections),
                .help = "a line for each connection that ends"},
        {.name = "stats-socket",
                .kind = OPTION_CALL,
                .argument = "PATH",
                .call = set_stats_socket,
                .expects = "a path of 1 to 107 bytes",
                .help = "show the counters, as text, to clients that connect here"},
        {.name = "verbose", .letter = 'v', SWITCH(verbose), .help = "log more"},
        {.name = "quiet",
                .letter = 'q',
                SWITCH(quiet),
                .help = "log what needs attention or was asked for"},
};

static const struct option_table table = {
        .program = "echod",
        .synopsis = "[OPTION]...",
        .summary = "Sends back every byte and every datagram it receives (RFC 862).\n"
                   "TIME is 90 (seconds), 1.5s, 500ms, 2m or 1h; BYTES is 4096, 16K or 256M.\n"
                   "An option without a value here also takes =on or =off.",
        .specs = specs,
        .n_specs = sizeof(specs) / sizeof(specs[0]),
};

enum option_outcome
options_read(struct options *options, int argc, char **argv, char *problem, size_t size)
{
	int operands;
	enum option_outcome outcome;

	*options = (struct options){0};
	outcome = option_table_read(
	        &table, argc, argv, options, &options->given, &operands, problem, size);
	if (outcome != OPTIONS_READ)
		return outcome;
	if (operands < argc) {
		snprintf(problem, size, "%s: unexpected argument", argv[operands]);
		return OPTIONS_WRONG;
	}
	if (!options->tcp && !options->udp) {
		snprintf(problem, size, "--tcp=off with --udp=off: nothing is left to serve");
		return OPTIONS_WRONG;
	}
	return OPTIONS_READ;
}

void
options_free(struct options *options)
{
	free(options->listen);
	free(options->udp_allowed.ports);
	free(options->udp_refused.ports);
	free(options->udp_exempt.prefixes);
	*options = (struct options){0};
}

const char *
options_listening(const struct options *options)
{
	for (size_t i = 0; i < N_LISTENING; i++)
		if (options->given & (UINT64_C(1) << i))
			return specs[i].name;
	return NULL;
}
