/*
 * Which datagrams may be answered. Pure.
 *
 * An echo service that answers anything is a weapon: forged sources turn it against others, and two
 * echo services whose ports point at each other never stop (CVE-1999-0103, CVE-2024-2169;
 * broadcasts: CVE-1999-0514). Refusals are silent on the wire.
 */
#ifndef ECHOD_REFLECTOR_H
#define ECHOD_REFLECTOR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* The reasons, in the order in which they are looked for. */
enum reflector_verdict {
	REFLECTOR_ANSWER,
	REFLECTOR_TRUNCATED,   /* it was larger than the buffer */
	REFLECTOR_SOURCE,      /* no host's address, or loopback from elsewhere */
	REFLECTOR_DESTINATION, /* broadcast or multicast */
	REFLECTOR_PORT,        /* a port that might answer back */
};

#define REFLECTOR_PORT_WORDS (65536 / 64)

/* Source ports that are never answered, a bit each. */
struct reflector_ports {
	uint64_t refused[REFLECTOR_PORT_WORDS];
};

/* IPv4 addresses are given as v4-mapped IPv6 ones (RFC 4291, 2.5.5.2). */
struct reflector_datagram {
	struct in6_addr source;
	struct in6_addr hit; /* the destination in the IP header */
	struct in6_addr
	        local; /* ours to answer from; IPv4: differs from hit for broadcasts (ip(7)) */
	uint16_t source_port; /* host order */
	bool truncated;
	bool on_loopback; /* it came in over the loopback interface */
};

/* Refuses what reflection_port_refused() names, and nothing else. */
void reflector_ports_init(struct reflector_ports *ports);
void reflector_ports_refuse(struct reflector_ports *ports, uint16_t port);
void reflector_ports_allow(struct reflector_ports *ports, uint16_t port);

enum reflector_verdict reflector_verdict(
        const struct reflector_ports *ports, const struct reflector_datagram *datagram);

#endif
