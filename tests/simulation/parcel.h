/*
 * What somebody sends to the daemon over UDP: a datagram, or a train of them that the kernel hands
 * over as one (UDP_GRO); and whether a reply to it is right.
 */
#ifndef ECHOD_SIMULATION_PARCEL_H
#define ECHOD_SIMULATION_PARCEL_H

#include "echod/common/address.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	PARCEL_PORTS = 256, /* source ports, so that a reply tells what it is a reply to */
	PARCEL_FIRST_PORT = 20000,
};

struct parcel {
	struct in6_addr source, destination; /* IPv4: v4-mapped */
	uint16_t port;                       /* of the source */
	uint8_t traffic_class;
	uint32_t size, segment; /* bytes; datagrams but the last are of segment bytes */
	int flags;              /* as recvmsg(2) shows them */
	bool broadcast;         /* the address hit is not the one that the daemon has */
	bool forbidden;         /* it must not be answered */
	bool open;              /* received, and its replies may be on their way */
	uint32_t done;          /* bytes that are answered, or whose answer the kernel refused */
};

void parcel_make_bytes(void);

/* Makes one up, sent to a socket of this family: from this port unless that is to be refused. */
struct parcel parcel_new(uint16_t port, int family, bool trains);

/* Datagrams in so many bytes of it. */
uint32_t parcel_count(const struct parcel *parcel, uint32_t bytes);

/* Gives it to the daemon, as recvmsg(2) does. */
void parcel_give(struct parcel *parcel, int family, struct msghdr *message);

/* Checks a message that the daemon sends against the parcel that it is a reply to. Returns its
 * bytes. */
uint32_t parcel_check_reply(
        const struct parcel *parcel, int family, const struct msghdr *message, bool with_dscp);

#endif
