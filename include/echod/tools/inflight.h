/*
 * What is on its way to a peer and not yet back: numbered messages in a fixed number of slots, and
 * what has become of each, so that an echo that comes twice or too late is told from one that was
 * awaited (RFC 5560, RFC 7680).
 *
 * A slot carries the numbers slot, slot + capacity, slot + 2 * capacity and so on. To begin
 * them in turn gives consecutive numbers; to begin any that is free never waits for a lost one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum inflight_state {
	INFLIGHT_NONE, /* nothing was begun here */
	INFLIGHT_PENDING,
	INFLIGHT_BACK,
	INFLIGHT_LOST,
};

struct inflight_slot {
	uint64_t number;
	uint64_t started_ns;
	enum inflight_state state, before; /* before: of the number that the slot carried last */
};

/* Read it freely; only these functions write. */
struct inflight {
	struct inflight_slot *slots;
	size_t capacity;
	size_t pending;
};

enum inflight_verdict {
	INFLIGHT_AWAITED,    /* it was pending, and is settled now */
	INFLIGHT_DUPLICATED, /* it had come back before */
	INFLIGHT_LATE,       /* it had been given up */
	INFLIGHT_UNKNOWN,    /* it was never sent */
};

/* Returns 0 or -ENOMEM. */
int inflight_init(struct inflight *inflight, size_t capacity);
void inflight_release(struct inflight *inflight);

/* The number that the slot would carry next. */
uint64_t inflight_next(const struct inflight *inflight, size_t slot);

/* Begins the slot's next number and returns it. The slot must not be pending. */
uint64_t inflight_begin(struct inflight *inflight, size_t slot, uint64_t now_ns);

/* The slot that carries a number. */
struct inflight_slot *inflight_slot(const struct inflight *inflight, uint64_t number);

bool inflight_is_pending(const struct inflight *inflight, uint64_t number);

/* A number came back. Numbers that the slots have forgotten count as late. */
enum inflight_verdict inflight_settle(struct inflight *inflight, uint64_t number);

/* Gives up a pending number. */
void inflight_give_up(struct inflight *inflight, uint64_t number);
