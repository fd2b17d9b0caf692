/*
 * Receives and sends that a turn of the loop gathers, and its end makes in one batch each: first
 * the receives, then the sends, those that the receives have led to with them.
 *
 * The end comes after every callback of the turn (an ev_check of the lowest priority), or before
 * that when a batch is full. What waits knows only whose it is until then.
 */
#ifndef ECHOD_TURN_H
#define ECHOD_TURN_H

#include "echod/batch.h"

#include <ev.h>
#include <stdbool.h>

struct turn;

/* How one kind of call is made. stream is what was handed to turn_receive() or turn_send(). */
struct turn_calls {
	/* Says what to call: fd, bytes and length. alone: it would be a batch of one. Or makes the
	 * call itself, there and then, and returns false. */
	bool (*prepare)(void *owner, void *stream, bool alone, struct batch_call *call);
	/* How it ended: bytes or a negative errno. */
	void (*answer)(void *owner, void *stream, ssize_t result);
};

struct turn_config {
	struct ev_loop *loop;
	struct batch *batch;
	/* prepare and answer of receives may lead to one send of the same stream, and to no
	 * receives; those of sends to neither. */
	struct turn_calls receives, sends;
	void *owner;
};

/* Returns NULL and sets errno (ENOMEM). */
struct turn *turn_new(const struct turn_config *config);
void turn_free(struct turn *turn);

/* A stream waits for one of each at most. */
void turn_receive(struct turn *turn, void *stream);
void turn_send(struct turn *turn, void *stream);

/* The stream has ended, and its descriptor may become another's: what it waited for is not made,
 * and what has been made for it is not answered. */
void turn_forget(struct turn *turn, const void *stream);

#endif
