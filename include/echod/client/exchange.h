/*
 * The exchanges of one flow: what was begun, what has come back, and what became of it. Knows
 * messages and bytes, no sockets and no timers.
 */
#pragma once

#include "echod/client/message.h"
#include "echod/client/tally.h"
#include "echod/tools/inflight.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXCHANGE_SCRATCH_SIZE 65536 /* more than any datagram */

enum exchange_result {
	EXCHANGE_ECHOED,
	EXCHANGE_LOST,
	EXCHANGE_LATE, /* reported as lost before */
	EXCHANGE_CORRUPTED,
	EXCHANGE_DUPLICATED,
};

#define EXCHANGE_NO_NUMBER UINT64_MAX

struct exchange {
	size_t flow;     /* its index */
	uint64_t number; /* from 0; EXCHANGE_NO_NUMBER for bytes that belong to no exchange */
	enum exchange_result result;
	bool reordered;
	int error;       /* of a lost one: the cause, as a negative errno; 0: the timeout */
	uint64_t rtt_ns; /* of one that came back; 0 when its start is forgotten */
	size_t length;   /* of a corrupted one: how many bytes came back, */
	size_t same;     /* and how many of them were right before the first that was not */
};

/* Set what is above the line, zero the rest; read all freely. */
struct exchanges {
	size_t flow;
	const struct message *message;
	unsigned char *scratch; /* EXCHANGE_SCRATCH_SIZE bytes, shared: nothing stays in it */
	void *owner;
	void (*on_exchange)(void *owner, const struct exchange *exchange);
	/* ---- */
	struct tally tally;
	struct inflight inflight;
	uint64_t begun;
	uint64_t oldest; /* none below is pending */
	/* of a stream: the first message that is not all sent, and the one that comes back */
	uint64_t out_number, in_number;
	size_t out_offset, in_offset;
	size_t in_same; /* the bytes of the incoming message that are right, up to the first that is
	                   not */
};

/* Room for this many exchanges in flight. Returns 0 or -ENOMEM; release it in either case. */
int exchanges_init(struct exchanges *exchanges, uint64_t pending);
void exchanges_release(struct exchanges *exchanges);

/* Begins the next one now; loses the one that its slot still held. */
void exchanges_begin(struct exchanges *exchanges);

/* No exchange below the result is pending. */
uint64_t exchanges_oldest_pending(struct exchanges *exchanges);

/* How long the oldest pending exchange has been in flight. There must be one. */
uint64_t exchanges_age_ns(const struct exchanges *exchanges, uint64_t now_ns);

/* A pending exchange, or all of them, will not come back, for this negative errno or 0. */
void exchanges_lose(struct exchanges *exchanges, uint64_t number, int error);
void exchanges_lose_all(struct exchanges *exchanges, int error);

/* Writes up to EXCHANGE_SCRATCH_SIZE bytes of the first unsent message; returns how many. */
size_t exchanges_next_bytes(const struct exchanges *exchanges, void *bytes);

/* That many of these bytes were sent. */
void exchanges_sent(struct exchanges *exchanges, size_t length);

/* A datagram came back. */
void exchanges_take_datagram(
        struct exchanges *exchanges, const unsigned char *bytes, size_t length);

/* Bytes of a stream came back. Returns false when they are more than was ever sent. */
bool exchanges_take_stream(struct exchanges *exchanges, const unsigned char *bytes, size_t length);
