/*
 * Replies on their way out, a batch at a time (sendmmsg(2)). A train of datagrams goes out as one
 * (UDP_SEGMENT); when the kernel refuses that, they go out one by one. Nothing waits: a reply that
 * the kernel refuses is dropped and counted by its errno.
 */
#ifndef ECHOD_REPLIES_H
#define ECHOD_REPLIES_H

#include "echod/control.h"
#include "echod/stats.h"
#include "echod/train.h"

#include <stddef.h>

enum {
	REPLIES_MOST = 64, /* messages in a batch */
};

/* Zeroed, it is an empty batch. */
struct replies {
	size_t count;
	struct mmsghdr messages[REPLIES_MOST];
	struct iovec iovecs[REPLIES_MOST];
	struct train trains[REPLIES_MOST];
	struct control controls[REPLIES_MOST];
};

/*
 * Adds the train's bytes, to be sent to an address, and returns the message for
 * control_write_reply(). The bytes and the address must stay until replies_send(). At most
 * REPLIES_MOST times in between.
 */
struct msghdr *replies_add(
        struct replies *replies, struct address *to, void *bytes, const struct train *train);

/* Sends all that were added and counts what became of each datagram; the batch is empty again. */
void replies_send(struct replies *replies, int fd, struct stats *stats);

#endif
