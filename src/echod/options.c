#include "echod/options.h"

#include "echod/common/reflection.h"
#include "echod/common/units.h"
#include "echod/config.h"

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
	struct listen_list *list = &((struct options *)into)->listen;
	struct listen_address listen, *more;
	int error = address_parse(text, &listen.address, &listen.has_port);

	if (error)
		return error;
	more = reallocarray(list->addresses, list->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	list->addresses = more;
	list->addresses[list->count++] = listen;
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
add_prefix(struct prefix_list *list, const char *text)
{
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
add_exempt(void *into, const char *text)
{
	struct options *options = into;

	return add_prefix(&options->udp_exempt, text);
}

static int
add_proxy(void *into, const char *text)
{
	struct options *options = into;
	bool is_unix = strcmp(text, "unix") == 0;

	options->unix_proxies |= is_unix;
	return is_unix ? 0 : add_prefix(&options->proxies, text);
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

static const struct option_spec specs[] = {
        {.name = "config",
                .kind = OPTION_TEXT,
                .argument = "FILE",
                .command_line_only = true,
                OFFSET(config),
                .help = "read more options from this file, see echod.conf(5)"},
        {.name = "check",
                .command_line_only = true,
                SWITCH(check),
                .help = "check the options, show what holds and where it comes from, and exit"},
        {.name = "signal-reload",
                .command_line_only = true,
                .kind = OPTION_COUNT,
                .argument = "PID",
                .min = 1,
                .max = INT32_MAX,
                OFFSET(signal_reload),
                .help = "have the echod with this process id reload, and exit"},
        {.name = "listen",
                .listening = true,
                .kind = OPTION_CALL,
                .argument = "ADDRESS",
                .call = add_address,
                .expects =
                        "an address such as 192.0.2.1, 192.0.2.1:7, 2001:db8::1 or [2001:db8::1]:7",
                .help = "listen here, over TCP and UDP; may be repeated [all addresses]"},
        {.name = "port",
                .listening = true,
                .kind = OPTION_COUNT,
                .argument = "PORT",
                .preset = "50007",
                .max = UINT16_MAX,
                OFFSET(port),
                .help = "port for addresses without one; 0 takes a free one"},
        {.name = "tcp", .listening = true, SWITCH_ON(tcp), .help = "listen over TCP"},
        {.name = "udp", .listening = true, SWITCH_ON(udp), .help = "listen over UDP"},
        {.name = "max-connections",
                COUNT(max_connections, 1, 100000000),
                .help = "connections at once [what the file limit allows, at most 100000]"},
        {.name = "max-connections-per-source",
                COUNT(max_connections_per_source, 0, UINT32_MAX),
                .preset = "0",
                .help = "from one IPv4 address or IPv6 /64; 0: no limit"},
        {.name = "proxy-protocol",
                .kind = OPTION_CALL,
                .argument = "PREFIX",
                .call = add_proxy,
                .expects = "a prefix such as 192.0.2.0/24 or 2001:db8::/32, or unix",
                .help = "proxies, whose connections begin with a PROXY header; may be repeated"},
        {.name = "accept-rate",
                COUNT(accept_rate, 0, 1000000000),
                .preset = "0",
                .help = "connections accepted per second, the others wait; 0: no limit"},
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
                .help = "when full, close the longest-idle connection if idle this long; 0: never"},
        {.name = "stall-timeout",
                TIME(stall_timeout, 100, 365 * DAY_MS),
                .preset = "60s",
                .help = "reset connections that take none of their bytes this long; 0: never"},
        {.name = "keepalive",
                TIME(keepalive, 1000, 32767000),
                .preset = "10m",
                .help = "silence after which a peer is probed, 3 times 30s apart; 0: never"},
        {.name = "drain-delay",
                TIME(drain_delay, 1, DAY_MS),
                .preset = "0",
                .help = "how long to go on accepting after SIGTERM, before the drain"},
        {.name = "drain-timeout",
                TIME(drain_timeout, 1, DAY_MS),
                .preset = "5s",
                .help = "how long open connections may go on in the drain"},
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
                .help = "datagrams per second from one IPv4 address or IPv6 /64; 0: no limit"},
        {.name = "udp-rate-exempt",
                .kind = OPTION_CALL,
                .argument = "PREFIX",
                .call = add_exempt,
                .expects = "a prefix such as 192.0.2.0/24 or 2001:db8::/32",
                .help = "sources that --udp-rate does not limit; may be repeated"},
        {.name = "udp-rate-log-only",
                SWITCH(udp_rate_log_only),
                .help = "log sources that exceed --udp-rate, and answer them"},
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
                .help = "log warnings, errors and requested output"},
};

const struct option_table options_table = {
        .program = "echod",
        .synopsis = "[OPTION]...",
        .summary = "Sends back every byte and every datagram it receives (RFC 862).\n"
                   "TIME is 90 (seconds), 1.5s, 500ms, 2m or 1h; BYTES is 4096, 16K or 256M.\n"
                   "An option without a value here also takes =on or =off.",
        .specs = specs,
        .n_specs = sizeof(specs) / sizeof(specs[0]),
};

/* What one option alone does not tell. */
static enum option_outcome
complete(struct options *options, char *problem, size_t size)
{
	struct listen_list *listen = &options->listen;

	if (!options->tcp && !options->udp) {
		snprintf(problem, size, "--tcp=off with --udp=off: nothing is left to serve");
		return OPTIONS_WRONG;
	}
	for (size_t i = 0; i < listen->count; i++)
		if (!listen->addresses[i].has_port)
			address_set_port(&listen->addresses[i].address, (uint16_t)options->port);
	if (options->check)
		return option_settings_show(&options->settings, &options_table, problem, size);
	return OPTIONS_READ;
}

struct reading {
	struct options *options;
	char *problem;
	size_t size;
};

/* What the command line overrides is checked and dropped. */
static enum option_outcome
options_on_setting(void *owner, const char *name, const char *value, unsigned line)
{
	struct reading *reading = owner;
	struct options *options = reading->options, dropped = {0};
	struct option_setting setting = {.spec = option_table_find(&options_table, name),
	        .value = value,
	        .file = options->config,
	        .line = line};
	enum option_outcome outcome;

	if (!setting.spec || setting.spec->command_line_only) {
		snprintf(reading->problem, reading->size, "%s:%u: %s: %s", options->config, line,
		        name, setting.spec ? "on the command line only" : "unknown option");
		return OPTIONS_WRONG;
	}
	if (option_settings_have(&options->settings, setting.spec))
		options = &dropped;
	outcome = option_table_set(
	        &setting, options, &options->settings, reading->problem, reading->size);
	options_free(&dropped);
	return outcome;
}

enum option_outcome
options_read(struct options *options, int argc, char **argv, char *problem, size_t size)
{
	struct reading reading;
	int operands;
	enum option_outcome outcome;

	*options = (struct options){0};
	reading = (struct reading){options, problem, size};
	outcome = option_table_read(
	        &options_table, argc, argv, options, &options->settings, &operands, problem, size);
	if (outcome == OPTIONS_READ && operands < argc) {
		snprintf(problem, size, "%s: unexpected argument", argv[operands]);
		return OPTIONS_WRONG;
	}
	if (outcome == OPTIONS_READ && options->config)
		outcome = config_read(options->config, options_on_setting, &reading, problem, size);
	if (outcome == OPTIONS_READ)
		outcome = complete(options, problem, size);
	return outcome;
}

void
options_free(struct options *options)
{
	free(options->listen.addresses);
	free(options->udp_allowed.ports);
	free(options->udp_refused.ports);
	free(options->udp_exempt.prefixes);
	free(options->proxies.prefixes);
	option_settings_free(&options->settings);
	*options = (struct options){0};
}

const struct option_setting *
options_listening(const struct options *options)
{
	for (size_t i = 0; i < options->settings.count; i++)
		if (options->settings.all[i].spec->listening)
			return &options->settings.all[i];
	return NULL;
}
