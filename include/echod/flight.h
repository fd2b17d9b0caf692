/*
 * What is on its way to a peer and not yet back: numbered messages in a fixed number of slots, and
 * what has become of each, so that an echo that comes twice or too late is told from one that was
 * awaited (RFC 5560, RFC 7680).
 *
 * A slot carries the numbers slot, slot + capacity, slot + 2 * capacity and so on. Who begins them
 * in turn gets consecutive numbers; who begins whichever is free never waits for a lost one.
 */
#ifndef ECHOD_FLIGHT_H
#define ECHOD_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flight_state {
	FLIGHT_NONE, /* nothing was begun here */
	FLIGHT_PENDING,
	FLIGHT_BACK,
	FLIGHT_LOST,
};

struct flight_slot {
	uint64_t number;
	uint64_t started_ns;
	enum flight_state state, before; /* before: of the number that the slot carried last */
};

/* Read it freely; only these functions write. */
struct flight {
	struct flight_slot *slots;
	size_t capacity;
	size_t pending;
};

enum flight_verdict {
	FLIGHT_AWAITED,    /* it was pending, and is settled now */
	FLIGHT_DUPLICATED, /* it had come back before */
	FLIGHT_LATE,       /* it had been given up */
	FLIGHT_UNKNOWN,    /* it was never sent */
};

/* Returns 0 or -ENOMEM. */
int flight_init(struct flight *flight, size_t capacity);
void flight_release(struct flight *flight);

/* The number that the slot would carry next. */
uint64_t flight_next(const struct flight *flight, size_t slot);

/* Begins the slot's next number and returns it. The slot must not be pending. */
uint64_t flight_begin(struct flight *flight, size_t slot, uint64_t now_ns);

/* The slot that carries a number. */
struct flight_slot *flight_slot(const struct flight *flight, uint64_t number);

bool flight_is_pending(const struct flight *flight, uint64_t number);

/* A number came back. Numbers that the slots have forgotten count as late. */
enum flight_verdict flight_settle(struct flight *flight, uint64_t number);

/* Gives up a pending number. */
void flight_give_up(struct flight *flight, uint64_t number);

#endif
