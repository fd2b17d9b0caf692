/*
 * What the client sends: a text, or a pattern that differs from one exchange to the next. A pattern
 * of at least PAYLOAD_KEY_SIZE bytes starts with its number, by which a datagram's echo is
 * recognized.
 */
#pragma once

#include "echod/tools/payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message {
	const char *text; /* NULL: a pattern */
	size_t size;      /* bytes */
	uint64_t stream;  /* of the run, chosen at random, so that another run's echo is not taken
	                     for ours */
	struct payload payload;
};

void message_init(struct message *message, const char *text, size_t size, uint64_t seed);

bool message_is_numbered(const struct message *message);

/* The key of a flow's exchange. */
uint64_t message_key(const struct message *message, size_t flow, uint64_t number);

/* Writes length bytes of the message from this offset on; within size. */
void message_copy(
        const struct message *message, uint64_t key, size_t offset, void *bytes, size_t length);
