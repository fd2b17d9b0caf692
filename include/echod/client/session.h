/*
 * A whole run of the client: the peer's addresses one after the other, on each all flows, until one
 * address lets at least one flow in.
 */
#pragma once

#include "echod/client/flow.h"
#include "echod/client/options.h"
#include "echod/tools/result.h"

/* Exit codes, as ping's. */
enum session_outcome {
	SESSION_CLEAN = 0,   /* all came back once and unchanged */
	SESSION_UNCLEAN = 1, /* some did not */
	SESSION_ERROR = 2,   /* none could be sent */
};

struct session;

/* How a session tells what happens. */
struct report {
	/* NULL: it tells nothing of that. */
	void (*on_open)(const struct session *session, const struct flow *flow);
	void (*on_exchange)(const struct session *session, const struct exchange *exchange);
	void (*on_end)(const struct session *session);
};

struct session {
	const struct client_options *options;
	const struct report *report;
	struct address addresses[TOOL_MAX_ADDRESSES];
	size_t n_addresses, attempt; /* the one in use */
	struct message message;
	unsigned char scratch[2 * EXCHANGE_SCRATCH_SIZE];
	struct flow_plan plan;
	struct flow *flows; /* options->flows of them */
	size_t n_ended;
	bool stopping;
	struct result result; /* complete when the report's on_end is called */
	struct result_mark mark;
	uint64_t begin_ns;
	ev_timer second; /* ends an interval; with --json alone, which shows them */
	ev_signal interrupt, terminate;
};

/*
 * Runs on the default loop until all exchanges are done or a signal ends it. Returns an exit code;
 * errors are on stderr. A session is large: not for the stack.
 */
enum session_outcome session_run(
        struct session *session, const struct client_options *options, const struct report *report);

/* What all flows counted together. */
struct tally session_tally(const struct session *session);
