/*
 * What the administrator asked of the daemon: the command line as one struct.
 */
#pragma once

#include "echod/common/address.h"
#include "echod/common/option_table.h"
#include "echod/common/prefix.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port_list {
	uint16_t *ports; /* owned */
	size_t count;
};

struct listen_address {
	struct address address;
	bool has_port; /* else options_read() gives it --port's */
};

struct listen_list {
	struct listen_address *addresses; /* owned */
	size_t count;
};

struct prefix_list {
	struct prefix *prefixes; /* owned */
	size_t count;
};

struct options {
	struct listen_list listen; /* none: all addresses */
	uint64_t port;             /* for addresses without one; 0: a free one */
	bool tcp, udp;
	bool activated; /* serve nothing but sockets handed over */

	uint64_t max_connections; /* 0: what the file limit allows */
	uint64_t max_connections_per_source;
	struct prefix_list proxies; /* connections from there begin with a PROXY header */
	bool unix_proxies;          /* and so do those of UNIX sockets */
	uint64_t accept_rate;       /* connections a second, 0: no limit */
	uint64_t buffer_size;       /* bytes a ring */
	uint64_t buffer_memory;     /* bytes, all rings together */

	/* milliseconds; 0: never */
	uint64_t idle_timeout, idle_timeout_full, stall_timeout, keepalive;
	uint64_t drain_delay, drain_timeout, exit_idle_time;

	struct port_list udp_allowed, udp_refused; /* source ports */
	uint64_t udp_rate;                         /* tokens a second and source, 0: no limit */
	struct prefix_list udp_exempt;             /* sources without that limit */
	bool udp_rate_log_only, udp_offload, dscp;

	bool log_connections, verbose, quiet;
	const char *stats_socket; /* PATH as given, checked; NULL: none */

	const char *config; /* the configuration file, NULL for none */
	bool check;
	uint64_t signal_reload; /* the process to be sent SIGHUP; 0: none */

	struct option_settings settings; /* what was given, and where */
};

extern const struct option_table options_table;

/*
 * Reads the command line and the configuration file that it names, which the command line
 * overrides, and with --check prints what holds. May be called again at any time: it depends on
 * nothing that an earlier call has left, and changes nothing but *options. On OPTIONS_WRONG and
 * OPTIONS_FAILED, problem says why in one line. Free the options whatever the outcome; argv has to
 * stay.
 */
enum option_outcome options_read(
        struct options *options, int argc, char **argv, char *problem, size_t size);
void options_free(struct options *options);

/*
 * The first option given that says where to listen, and so contradicts sockets handed over by
 * systemd; NULL if there is none.
 */
const struct option_setting *options_listening(const struct options *options);
