/* The command line of echod-bench. */
#pragma once

#include "echod/bench/source_range.h"
#include "echod/tools/tool_options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_options {
	struct tool_target target;
	uint64_t connections;
	uint64_t size;        /* bytes a message */
	uint64_t depth;       /* messages in flight a connection, in a closed loop */
	uint64_t duration_ms; /* 0: until total messages are done */
	uint64_t total;       /* messages; 0: as many as the duration allows */
	uint64_t rate;        /* messages a second, an open loop; 0: a closed one */
	/* of a connection, which is closed after them; 0: all are opened once and stay */
	uint64_t messages_per_connection;
	uint64_t connect_rate; /* connections a second, an open loop of them; 0: a closed one */
	uint64_t warmup_ms, timeout_ms;
	uint64_t processes;
	uint64_t start_at_ns; /* since 1970; 0: at once */
	const char *label;    /* NULL: none */
	uint64_t stats_pid;   /* 0: none */
	struct source_range sources;
	const char *histogram_file, *output_file, *report_file; /* NULL: none */
	bool json;
};

extern const struct option_table bench_option_table;

/* How many messages a socket for datagrams must be able to tell apart. */
uint64_t bench_options_capacity(const struct bench_options *options);

/* NULL, or in words why the options do not go together with this address of HOST. */
const char *bench_options_fit(const struct bench_options *options, const struct address *to);

/* As option_table_read(), and checks what depends on more than one option. */
enum option_outcome bench_options_read(
        struct bench_options *options, int argc, char **argv, char *problem, size_t size);
