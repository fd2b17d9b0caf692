/*
 * What the kernel tells beside a datagram, and is told beside the reply: control messages (cmsg(3),
 * ip(7), ipv6(7); UDP_GRO and UDP_SEGMENT in linux/udp.h).
 */
#pragma once

#include "echod/common/address.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * Room for what is asked for on a dual-stack socket (both families' addresses and traffic class,
 * the segment), and for options that the process which handed the socket over may have set
 * (timestamps, a mark).
 */
struct udp_cmsg {
	_Alignas(struct cmsghdr) char bytes[256];
};

/* How a datagram came in. IPv4 addresses are v4-mapped; what the kernel did not tell is zero. */
struct udp_arrival {
	struct in6_addr destination; /* the destination in the IP header */
	struct in6_addr local;       /* ours to answer from; IPv4: differs for broadcasts (ip(7)) */
	unsigned interface;          /* index */
	uint8_t traffic_class;       /* DSCP and ECN (RFC 3168) */
	uint16_t segment;            /* bytes of each datagram of a train; 0: it is a single one */
};

/* Reads what came with a received message; source: where from, v4-mapped for IPv4. */
struct udp_arrival udp_cmsg_read(struct msghdr *message, const struct in6_addr *source);

/* How a reply leaves. No padding: compare with memcmp(). */
struct udp_departure {
	struct in6_addr local; /* v4-mapped for IPv4 */
	unsigned interface;    /* index; 0: the routing table decides */
	int traffic_class;     /* -1: the socket's own */
};

/*
 * The reply to a datagram leaves from the address the datagram was sent to, with its DSCP (not its
 * ECN bits, which belong to one direction) if with_dscp. The interface is named for link-local
 * addresses alone; for others the routing table knows better.
 */
struct udp_departure udp_cmsg_departure(
        const struct udp_arrival *arrival, const struct in6_addr *source, bool with_dscp);

/* Writes that to message, whose msg_control has the room of a struct udp_cmsg. */
void udp_cmsg_write_departure(struct msghdr *message, const struct udp_departure *departure);

/* Appends that the kernel is to cut the message into datagrams of segment bytes, and takes that
 * back. */
void udp_cmsg_append_segment(struct msghdr *message, uint16_t segment);
void udp_cmsg_remove_segment(struct msghdr *message);
