/*
 * The part of a command line that the client and the bench share: HOST, its port, its addresses and
 * the protocol.
 */
#pragma once

#include "echod/common/address.h"
#include "echod/common/option_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TOOL_MAX_ADDRESSES = 64,
	TOOL_MAX_IPV4_DATAGRAM = 65507, /* what 16 bits leave beside the headers of IPv4 and UDP */
	TOOL_MAX_IPV6_DATAGRAM = 65527,
};

struct tool_target {
	const char *host;
	uint64_t port;
	bool ipv4, ipv6, udp;
};

/* NOLINTBEGIN(bugprone-macro-parentheses): a type and a member take none */
/* The rows of the option table; member is the struct tool_target in the program's options. */
#define TOOL_TARGET_ROWS(options, member)                                                          \
	{.name = "udp",                                                                            \
	        .letter = 'u',                                                                     \
	        .kind = OPTION_SWITCH,                                                             \
	        .offset = offsetof(options, member.udp),                                           \
	        .help = "send datagrams, open no TCP connections"},                                \
	        {.name = "port",                                                                   \
	                .letter = 'p',                                                             \
	                .kind = OPTION_COUNT,                                                      \
	                .argument = "PORT",                                                        \
	                .preset = "50007",                                                         \
	                .min = 1,                                                                  \
	                .max = UINT16_MAX,                                                         \
	                .offset = offsetof(options, member.port),                                  \
	                .help = "the peer's port"},                                                \
	        {.name = "ipv4",                                                                   \
	                .letter = '4',                                                             \
	                .kind = OPTION_SWITCH,                                                     \
	                .offset = offsetof(options, member.ipv4),                                  \
	                .help = "use only IPv4 addresses of HOST"},                                \
	{                                                                                          \
		.name = "ipv6", .letter = '6', .kind = OPTION_SWITCH,                              \
		.offset = offsetof(options, member.ipv6),                                          \
		.help = "use only IPv6 addresses of HOST"                                          \
	}

/* NOLINTEND(bugprone-macro-parentheses) */

/*
 * option_table_read(), and the one operand: HOST. Bit i of *given is set when the table's specs[i]
 * was given; problem as there; target lies in options.
 */
enum option_outcome tool_options_read(const struct option_table *table, int argc, char **argv,
        void *options, struct tool_target *target, uint64_t *given, char *problem, size_t size);

/*
 * Shows why a program does not go on after its command line was read, on stderr. Returns its exit
 * status.
 */
int tool_options_explain(const char *program, enum option_outcome outcome, const char *problem);

/* NULL, or in words why messages of size bytes do not fit the protocol and an address of HOST. */
const char *tool_target_fit(
        const struct tool_target *target, uint64_t size, const struct address *to);

/* The addresses of HOST, up to TOOL_MAX_ADDRESSES, as resolver_find(). */
const char *tool_target_resolve(
        const struct tool_target *target, struct address *addresses, size_t *n);
