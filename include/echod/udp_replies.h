/*
 * Replies on their way out, a batch at a time (sendmmsg(2)). A train of datagrams goes out as one
 * (UDP_SEGMENT); when the kernel refuses that, they go out one by one. Nothing waits: a reply that
 * the kernel refuses is dropped and counted by its errno.
 */
#ifndef ECHOD_UDP_REPLIES_H
#define ECHOD_UDP_REPLIES_H

#include "echod/stats.h"
#include "echod/train.h"
#include "echod/udp_cmsg.h"
#include "echod/udp_requests.h"

#include <stddef.h>

/* Zeroed, it is an empty batch. */
struct udp_replies {
	size_t count;
	struct mmsghdr messages[UDP_BATCH];
	struct iovec iovecs[UDP_BATCH];
	struct train trains[UDP_BATCH];
	struct udp_cmsg controls[UDP_BATCH];
};

/*
 * Adds the train's bytes, to be sent to an address, and returns the message for
 * udp_cmsg_write_reply(). The bytes and the address must stay until udp_replies_send(). At most
 * UDP_BATCH times in between.
 */
struct msghdr *udp_replies_add(
        struct udp_replies *replies, struct address *to, void *bytes, const struct train *train);

/* Sends all that were added and counts what became of each datagram; the batch is empty again. */
void udp_replies_send(struct udp_replies *replies, int fd, struct stats *stats);

#endif
