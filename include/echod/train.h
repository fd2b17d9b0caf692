/*
 * A train: datagrams from one source that the kernel hands over, and takes back, as one (UDP_GRO
 * and UDP_SEGMENT, linux/udp.h). A single datagram is a train of one. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct train {
	size_t length;  /* bytes, all datagrams together */
	size_t segment; /* bytes of each datagram, the last may have fewer; 0: there is only one */
};

/* How many datagrams it is; an empty datagram is one, too. */
static inline uint32_t
train_count(const struct train *train)
{
	if (train->segment == 0 || train->segment >= train->length)
		return 1;
	return (uint32_t)((train->length + train->segment - 1) / train->segment);
}

/* The bytes of the datagram that begins at offset (below length, or 0). */
static inline size_t
train_piece(const struct train *train, size_t offset)
{
	size_t rest = train->length - offset;

	return train->segment > 0 && train->segment < rest ? train->segment : rest;
}
