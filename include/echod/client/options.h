/* The command line of echod-client. */
#pragma once

#include "echod/tools/tool_options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_options {
	struct tool_target target;
	const char *message; /* NULL: size bytes of a pattern */
	uint64_t size;       /* bytes, the message's too */
	uint64_t count;      /* exchanges a flow; UINT64_MAX: until stopped */
	uint64_t interval_ms, timeout_ms;
	uint64_t source_port; /* 0: any */
	uint64_t dscp;
	uint64_t flows; /* from as many source ports */
	bool json, quiet, timestamps, mtu;
	bool series; /* more than the one exchange */
	bool sweep;
};

/*
 * The source port of the flow of this index; 0: the kernel's choice. Over UDP, ports that echo
 * services do not answer and the peer's own are left out.
 */
uint16_t client_options_source_port(const struct client_options *options, uint64_t index);

extern const struct option_table client_option_table;

/* As option_table_read(), and checks what depends on more than one option. */
enum option_outcome client_options_read(
        struct client_options *options, int argc, char **argv, char *problem, size_t size);
