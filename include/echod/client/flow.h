/*
 * One socket to the peer and the exchanges over it, from opening to its end.
 *
 * A flow tells its owner what happens through the callbacks of the plan; none of them may end or
 * release the flow.
 */
#ifndef ECHOD_CLIENT_FLOW_H
#define ECHOD_CLIENT_FLOW_H

#include "echod/client/message.h"
#include "echod/client/tally.h"
#include "echod/tools/dial.h"
#include "echod/tools/inflight.h"

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_SCRATCH_SIZE 65536 /* more than any datagram */

struct flow;

enum exchange_result {
	EXCHANGE_ECHOED,
	EXCHANGE_LOST,
	EXCHANGE_LATE, /* reported as lost before */
	EXCHANGE_CORRUPTED,
	EXCHANGE_DUPLICATED,
};

#define EXCHANGE_NO_NUMBER UINT64_MAX

struct exchange {
	const struct flow *flow;
	uint64_t number; /* from 0; EXCHANGE_NO_NUMBER for what nothing sent can be told to be */
	enum exchange_result result;
	bool reordered;
	int error;       /* of a lost one: why, as a negative errno; 0: it took too long */
	uint64_t rtt_ns; /* of one that came back; 0 when forgotten */
	size_t length;   /* of a corrupted one: how many bytes came back, */
	size_t same;     /* and how many of them were right before the first that was not */
};

/* What all flows have in common; stays as it is while they live. */
struct flow_plan {
	struct ev_loop *loop;
	const struct message *message;
	struct dial dial;     /* without from */
	uint16_t source_port; /* of the first flow, of the next one more; 0: any */
	uint64_t count;
	uint64_t interval_ns, timeout_ns;
	bool give_way; /* end at an error before the first echo, for there is another address to try
	                */
	unsigned char *scratch; /* 2 * FLOW_SCRATCH_SIZE, shared: nothing stays in it */
	void *owner;
	void (*on_open)(void *owner, const struct flow *flow);
	void (*on_exchange)(void *owner, const struct exchange *exchange);
	void (*on_end)(void *owner, const struct flow *flow);
};

enum flow_state {
	FLOW_WAITING, /* for its turn */
	FLOW_CONNECTING,
	FLOW_OPEN,
	FLOW_ENDING, /* has said that it is done, and waits for the peer to say so */
	FLOW_ENDED,
};

/* Read it freely; only flow.c and flow_io.c write. */
struct flow {
	const struct flow_plan *plan;
	size_t index;
	enum flow_state state;
	bool opened; /* it was connected once */
	int error;   /* what went wrong last, as a negative errno, or 0; -EPIPE: the peer closed */
	int peer_fd;
	struct address source;
	uint64_t started_ns, connect_ns;
	struct tally tally;

	ev_io io;
	ev_timer pace, deadline;
	struct inflight inflight;
	uint64_t limit;  /* how many exchanges there will be */
	uint64_t begun;  /* how many there were */
	uint64_t oldest; /* none below is pending */
	/* of a stream: the first message that is not all sent, and the one that comes back */
	uint64_t out_number, in_number;
	size_t out_offset, in_offset;
	size_t in_same; /* the bytes of the incoming message that are right, up to the first that is
	                   not */
};

/* Starts a flow after a delay. Returns 0 or -ENOMEM. Release it in either case. */
int flow_start(struct flow *flow, const struct flow_plan *plan, size_t index, double delay_s);

/* Begins no more exchanges, waits for those that are under way. */
void flow_stop(struct flow *flow);

/* Ends it now; what is under way counts as lost, with -ECANCELED. */
void flow_abort(struct flow *flow);

/* Closes and frees without a word. */
void flow_release(struct flow *flow);

/* Between flow.c and flow_io.c. */

void flow_send(struct flow *flow);
void flow_receive(struct flow *flow);
/* The connection is of no more use. */
void flow_fail(struct flow *flow, int error);
void flow_finish(struct flow *flow);
/* Nothing below the result is pending. */
uint64_t flow_oldest_pending(struct flow *flow);
/* After something was settled: the next one, or the end. */
void flow_go_on(struct flow *flow);

#endif
