/*
 * Replies on their way out, a batch at a time (sendmmsg(2)). Replies of equal size to one peer
 * leave as one message that the kernel cuts into datagrams (UDP_SEGMENT): the way down the stack is
 * most of what a reply costs, and a message takes it once. A peer's socket sees no difference: each
 * datagram arrives as it would alone, in the order in which the requests came. When the kernel
 * refuses a group, its datagrams go out one by one. Nothing waits: a reply that the kernel refuses
 * is dropped and counted by its errno.
 */
#pragma once

#include "echod/stats.h"
#include "echod/train.h"
#include "echod/udp_cmsg.h"
#include "echod/udp_requests.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	UDP_GROUP_DATAGRAMS = 64, /* in a message: what every kernel since 4.18 takes */
	UDP_GROUP_BYTES = 65507,  /* in a message */
	UDP_PEER_SLOTS = 128,     /* a power of two above UDP_BATCH */
	UDP_REFUSING_PATHS = 64,  /* remembered at a time */
	UDP_REFUSAL_MS = 1000,    /* how long */
};

/* A reply: a datagram or a train of them. */
struct udp_reply {
	void *bytes;
	size_t length;
	uint8_t next; /* of its group: index + 1, or 0 */
};

/* Replies that leave as one message. */
struct udp_group {
	struct train train; /* the datagrams of all its replies */
	struct udp_departure departure;
	size_t control_length; /* of what departure says, which is kept from batch to batch */
	uint8_t first, last;   /* indices of replies */
};

/* A path that has refused a group with datagrams of so many bytes. */
struct udp_refusal {
	struct in6_addr to;
	size_t segment;
	uint64_t until_ns;
};

/* Zeroed, it is an empty batch. */
struct udp_replies {
	bool coalesce;
	size_t count, n_groups;
	uint64_t now_ns, refused_until_ns; /* 0: no path is remembered */
	struct udp_reply replies[UDP_BATCH];
	struct udp_group groups[UDP_BATCH];
	struct mmsghdr messages[UDP_BATCH]; /* of the groups */
	struct iovec iovecs[UDP_BATCH];     /* of the replies, group by group */
	struct udp_cmsg cmsgs[UDP_BATCH];
	uint8_t latest[UDP_PEER_SLOTS]; /* by peer, its latest group: index + 1, or 0 */
	struct udp_refusal refusals[UDP_REFUSING_PATHS];
};

/* Begins a batch. coalesce: the socket takes UDP_SEGMENT, and groups are wanted. */
void udp_replies_begin(struct udp_replies *replies, bool coalesce);

/*
 * Adds a reply. departure: how it leaves; NULL for another family than the internet's. The bytes
 * and the address must stay until udp_replies_send(). At most UDP_BATCH times in between.
 */
void udp_replies_add(struct udp_replies *replies, struct address *to, void *bytes,
        const struct train *train, const struct udp_departure *departure);

/* Sends all that were added and counts what became of each datagram; the batch is empty again. */
void udp_replies_send(struct udp_replies *replies, int fd, struct stats *stats);
