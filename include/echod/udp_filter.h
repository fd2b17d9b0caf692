/*
 * Which datagrams may be answered. Pure.
 *
 * An echo service that answers anything is a weapon: forged sources turn it against others, and two
 * echo services whose ports point at each other never stop (CVE-1999-0103, CVE-2024-2169;
 * broadcasts: CVE-1999-0514). Refusals are silent on the wire.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* The reasons, in the order in which they are looked for. */
enum udp_filter_verdict {
	UDP_FILTER_ANSWER,
	UDP_FILTER_TRUNCATED,   /* it was larger than the buffer */
	UDP_FILTER_SOURCE,      /* no host's address, or loopback from elsewhere */
	UDP_FILTER_DESTINATION, /* broadcast or multicast */
	UDP_FILTER_PORT,        /* a port that might answer back */
};

#define UDP_FILTER_PORT_WORDS (65536 / 64)

/* Source ports that are never answered, a bit each. */
struct udp_filter_ports {
	uint64_t refused[UDP_FILTER_PORT_WORDS];
};

/* IPv4 addresses are given as v4-mapped IPv6 ones (RFC 4291, 2.5.5.2). */
struct udp_filter_datagram {
	struct in6_addr source;
	struct in6_addr destination; /* in the IP header */
	struct in6_addr local;       /* ours to answer from; IPv4: differs for broadcasts (ip(7)) */
	uint16_t source_port;        /* host order */
	bool truncated;
	bool on_loopback; /* it came in over the loopback interface */
};

/* Refuses what reflection_port_refused() names, and nothing else. */
void udp_filter_ports_init(struct udp_filter_ports *ports);
void udp_filter_ports_refuse(struct udp_filter_ports *ports, uint16_t port);
void udp_filter_ports_allow(struct udp_filter_ports *ports, uint16_t port);

enum udp_filter_verdict udp_filter_verdict(
        const struct udp_filter_ports *ports, const struct udp_filter_datagram *datagram);
