/*
 * What a well-behaved UDP reflector does not answer, as far as its clients should know:
 * services of which a forged datagram could make an endless conversation (CERT CA-1996-01,
 * CVE-2024-2169).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Tokens per second that each source has unless the daemon is told otherwise. A datagram costs one
 * token for each started REFLECTION_UNIT bytes. Loopback sources are exempt. */
#define REFLECTION_RATE 1000
#define REFLECTION_UNIT 1500

/* The tokens that a datagram of size bytes costs. An empty datagram costs one, too. */
static inline uint64_t
reflection_price(uint64_t size)
{
	return size > 0 ? (size - 1) / REFLECTION_UNIT + 1 : 1;
}

/* Whether datagrams from this port (host order) stay unanswered by default: 0, those below 1024,
 * and services above that answer whatever reaches them. */
bool reflection_port_refused(uint16_t port);
