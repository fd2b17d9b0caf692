/*
 * One socket to the peer and the exchanges over it, from opening to its end.
 *
 * A flow tells its owner what happens through the callbacks of the plan; none of them may end or
 * release the flow.
 */
#pragma once

#include "echod/client/exchange.h"
#include "echod/tools/dial.h"

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow;

/* What all flows have in common; stays as it is while they live. */
struct flow_plan {
	struct ev_loop *loop;
	const struct message *message;
	struct dial dial; /* without from */
	uint64_t count;
	uint64_t interval_ns, timeout_ns;
	bool give_way; /* end at an error before the first echo: another address will be tried */
	unsigned char *scratch; /* 2 * EXCHANGE_SCRATCH_SIZE, shared: nothing stays in it */
	void *owner;
	void (*on_open)(void *owner, const struct flow *flow);
	void (*on_exchange)(void *owner, const struct exchange *exchange);
	void (*on_end)(void *owner, const struct flow *flow);
};

enum flow_state {
	FLOW_WAITING, /* for its turn */
	FLOW_CONNECTING,
	FLOW_OPEN,
	FLOW_ENDING, /* has sent FIN and waits for the peer's */
	FLOW_ENDED,
};

/* Read it freely; only flow.c writes. */
struct flow {
	const struct flow_plan *plan;
	size_t index;
	uint16_t source_port; /* 0: any */
	enum flow_state state;
	bool opened; /* it was connected once */
	int error;   /* what went wrong last, as a negative errno, or 0; -EPIPE: the peer closed */
	int peer_fd;
	struct address source;
	uint64_t started_ns, connect_ns;
	struct tcp_sums tcp; /* at its end */
	struct exchanges exchanges;

	ev_io io;
	ev_timer pace, deadline;
	uint64_t limit; /* how many exchanges there will be */
};

/*
 * Starts a flow after a delay, from a port or (0) from any. Returns 0 or -ENOMEM. Release it in
 * either case.
 */
int flow_start(struct flow *flow, const struct flow_plan *plan, size_t index, uint16_t source_port,
        double delay_s);

/* Begins no more exchanges, waits for those in flight. */
void flow_stop(struct flow *flow);

/* Ends it now; what is in flight counts as lost, with -ECANCELED. */
void flow_abort(struct flow *flow);

/* Closes and frees; no callback comes. */
void flow_release(struct flow *flow);
