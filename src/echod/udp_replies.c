#include "echod/udp_replies.h"

#include <errno.h>

enum {
	FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL,
};

struct msghdr *
udp_replies_add(
        struct udp_replies *replies, struct address *to, void *bytes, const struct train *train)
{
	size_t i = replies->count++;
	struct msghdr *message = &replies->messages[i].msg_hdr;

	replies->trains[i] = *train;
	replies->iovecs[i] = (struct iovec){bytes, train->length};
	*message = (struct msghdr){
	        .msg_name = &to->storage,
	        .msg_namelen = to->length,
	        .msg_iov = &replies->iovecs[i],
	        .msg_iovlen = 1,
	        .msg_control = replies->controls[i].bytes,
	};
	return message;
}

static void
count_answered(struct stats *stats, uint32_t datagrams, size_t bytes)
{
	stats->udp_answered += datagrams;
	stats->udp_answered_bytes += bytes;
}

/* Sends a train's datagrams one by one; offset is that of the next. */
static void
send_singly(struct msghdr *message, const struct train *train, int fd, struct stats *stats)
{
	unsigned char *bytes = message->msg_iov->iov_base;
	struct train rest = *train;

	udp_cmsg_remove_segment(message);
	while (rest.length > 0) {
		size_t piece = train_piece(&rest, 0);
		ssize_t sent;

		*message->msg_iov = (struct iovec){bytes, piece};
		do
			sent = sendmsg(fd, message, FLAGS);
		while (sent < 0 && errno == EINTR);
		if (sent >= 0) {
			count_answered(stats, 1, piece);
		} else if (errno == EAGAIN) { /* the buffer is full for the others as well */
			stats_count_send_error(stats, EAGAIN, train_count(&rest));
			return;
		} else {
			stats_count_send_error(stats, errno, 1);
		}
		bytes += piece;
		rest.length -= piece;
	}
}

/* The kernel has refused message i. */
static void
give_up(struct udp_replies *replies, size_t i, int error, int fd, struct stats *stats)
{
	const struct train *train = &replies->trains[i];

	if (train_count(train) > 1)
		send_singly(&replies->messages[i].msg_hdr, train, fd, stats);
	else
		stats_count_send_error(stats, error, 1);
}

void
udp_replies_send(struct udp_replies *replies, int fd, struct stats *stats)
{
	size_t done = 0;

	for (size_t i = 0; i < replies->count; i++)
		if (train_count(&replies->trains[i]) > 1)
			udp_cmsg_append_segment(&replies->messages[i].msg_hdr,
			        (uint16_t)replies->trains[i].segment);
	while (done < replies->count) {
		int sent = sendmmsg(
		        fd, replies->messages + done, (unsigned)(replies->count - done), FLAGS);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0) {
			give_up(replies, done++, errno, fd, stats);
			continue;
		}
		for (size_t end = done + (size_t)sent; done < end; done++)
			count_answered(stats, train_count(&replies->trains[done]),
			        replies->trains[done].length);
	}
	replies->count = 0;
}
