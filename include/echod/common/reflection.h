/*
 * What a well-behaved UDP reflector does not answer, as far as those who send to one should know:
 * services of which a forged datagram could make an endless conversation (CERT CA-1996-01,
 * CVE-2024-2169).
 */
#ifndef ECHOD_COMMON_REFLECTION_H
#define ECHOD_COMMON_REFLECTION_H

#include <stdbool.h>
#include <stdint.h>

/* Datagrams a second that one source may have answered unless the daemon was told otherwise, where
 * each started REFLECTION_UNIT bytes count as one. Loopback is exempt. */
#define REFLECTION_RATE 1000
#define REFLECTION_UNIT 1500

/* Whether datagrams from this port (host order) stay unanswered by default: 0, those below 1024,
 * and services above that answer whatever reaches them. */
bool reflection_port_refused(uint16_t port);

#endif
