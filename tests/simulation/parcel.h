/*
 * What a peer sends to the daemon over UDP: a datagram, or a train of them that the kernel hands
 * over as one (UDP_GRO); and whether a reply to it is right.
 */
#pragma once

#include "echod/common/address.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	PARCEL_SLOTS = 256, /* no two parcels that wait have the same bytes */
	PARCEL_FIRST_PORT = 20000,
};

struct parcel {
	struct in6_addr source, destination; /* IPv4: v4-mapped */
	uint16_t port;                       /* of the source */
	uint16_t slot;                       /* its bytes */
	uint8_t traffic_class;
	uint32_t size, segment; /* bytes; datagrams but the last are of segment bytes */
	int flags;              /* as recvmsg(2) shows them */
	bool broadcast;         /* the address hit is not the one that the daemon has */
	bool forbidden;         /* it must not be answered */
	bool open;              /* received, and its replies may be on their way */
	uint32_t done;          /* bytes that are answered, or whose answer the kernel refused */
};

void parcel_make_bytes(void);

/* Makes one up, sent to a socket of this family: from a peer of its own or, most likely, from the
 * peer of an earlier parcel. */
struct parcel parcel_new(uint16_t slot, int family, bool trains);
void parcel_follow(struct parcel *parcel, const struct parcel *earlier);

/* Datagrams in so many bytes of it. */
uint32_t parcel_count(const struct parcel *parcel, uint32_t bytes);

/* Gives it to the daemon, as recvmsg(2) does. */
void parcel_give(struct parcel *parcel, int family, struct msghdr *message);

/* Whether a message goes to where the parcel came from. */
bool parcel_is_from(const struct parcel *parcel, int family, const struct msghdr *message);

/* The bytes of the parcel's next datagram. */
uint32_t parcel_next_length(const struct parcel *parcel);

/* Whether these bytes are the parcel's next datagram. */
bool parcel_is_next(const struct parcel *parcel, const unsigned char *bytes, uint32_t length);

/* Whether a reply has the DSCP of the parcel, or says nothing of it. */
bool parcel_has_class(const struct parcel *parcel, const struct msghdr *message, bool with_dscp);

/* Checks what a reply says beside its bytes: the address that it leaves from, its DSCP. */
void parcel_check_beside(const struct parcel *parcel, const struct msghdr *message, bool with_dscp);

/* The bytes of each datagram of a message that the daemon sends, or 0 if it is a single one. */
uint32_t parcel_segment_told(const struct msghdr *message);
