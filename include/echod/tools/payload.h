/*
 * What the tools send: bytes that the receiver can work out for itself, so that every byte that
 * comes back is checked with memcmp against memory that is already there.
 *
 * A window of random bytes repeats for ever with a period that is prime, so that neither a lost
 * block nor a shifted one looks right. A position in it is a number of bytes and never runs out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_PERIOD 65521
#define PAYLOAD_SPAN   131072

/* At the start of a datagram that carries one: a key of 8 bytes, in network order. */
#define PAYLOAD_KEY_SIZE 8

struct payload {
	unsigned char bytes[PAYLOAD_PERIOD + PAYLOAD_SPAN];
};

/* The same seed gives the same bytes. */
void payload_init(struct payload *payload, uint64_t seed);

/* The bytes at a position; PAYLOAD_SPAN of them may be read. */
static inline const unsigned char *
payload_at(const struct payload *payload, uint64_t position)
{
	return payload->bytes + position % PAYLOAD_PERIOD;
}

/* How many bytes a and b have in common before they differ; length when they do not. */
size_t payload_common_length(const unsigned char *a, const unsigned char *b, size_t length);

/* How many of the bytes are those of the payload from this position on; length when all are. */
size_t payload_compare(
        const struct payload *payload, uint64_t position, const void *bytes, size_t length);

void payload_copy(const struct payload *payload, uint64_t position, void *bytes, size_t length);

/* Which message this is: a stream of 24 bits and a number of 40, both cut to that. */
uint64_t payload_key(uint64_t stream, uint64_t number);
uint64_t payload_key_stream(uint64_t key);
uint64_t payload_key_number(uint64_t key);
void payload_key_write(uint64_t key, unsigned char bytes[PAYLOAD_KEY_SIZE]);
uint64_t payload_key_read(const unsigned char bytes[PAYLOAD_KEY_SIZE]);

/* The position from which a key's bytes are taken: far apart for neighbours. */
uint64_t payload_position(uint64_t key);
