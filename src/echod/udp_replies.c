#include "echod/udp_replies.h"

#include "echod/common/clock.h"
#include "echod/common/hash.h"

#include <errno.h>
#include <string.h>

enum {
	FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL,
};

void
udp_replies_begin(struct udp_replies *replies, bool coalesce)
{
	replies->coalesce = coalesce;
	if (replies->refused_until_ns == 0)
		return;
	replies->now_ns = clock_now_ns();
	if (replies->now_ns >= replies->refused_until_ns)
		replies->refused_until_ns = 0;
}

static bool
is_group_to(const struct udp_replies *replies, size_t group, const struct address *peer)
{
	const struct msghdr *message = &replies->messages[group].msg_hdr;

	/* of one family is of one length */
	return memcmp(message->msg_name, &peer->storage, peer->length) == 0;
}

/* Where the latest group of a peer stands. Linear probing; there are more slots than groups. Peers
 * that collide cost no more than looking through a batch. */
static uint8_t *
latest_group(struct udp_replies *replies, const struct address *peer)
{
	uint32_t slot = hash_words(&peer->storage, peer->length) % UDP_PEER_SLOTS;

	while (replies->latest[slot] && !is_group_to(replies, replies->latest[slot] - 1u, peer))
		slot = (slot + 1) % UDP_PEER_SLOTS;
	return &replies->latest[slot];
}

static struct udp_refusal *
refusal_of(struct udp_replies *replies, const struct msghdr *message, struct in6_addr *to)
{
	struct address peer = {.length = message->msg_namelen};

	memcpy(&peer.storage, message->msg_name, message->msg_namelen);
	address_as_ipv6(&peer, to);
	return &replies->refusals[hash_words(to, sizeof(*to)) % UDP_REFUSING_PATHS];
}

/* Whether the path of a group has lately refused datagrams of this size as a group. */
static bool
is_refused(struct udp_replies *replies, size_t group)
{
	const struct udp_refusal *refusal;
	struct in6_addr to;

	if (replies->refused_until_ns == 0)
		return false;
	refusal = refusal_of(replies, &replies->messages[group].msg_hdr, &to);
	return replies->now_ns < refusal->until_ns && memcmp(&refusal->to, &to, sizeof(to)) == 0 &&
	       replies->groups[group].train.segment >= refusal->segment;
}

/*
 * Another refusal takes the place of the one remembered: then a group is tried in vain once more.
 * Only too little memory is no matter of the path.
 */
static void
remember_refusal(struct udp_replies *replies, size_t group, int error)
{
	bool is_size = error == EMSGSIZE || error == EINVAL;
	struct udp_refusal *refusal;
	struct in6_addr to;

	if (error == EAGAIN || error == ENOBUFS || error == ENOMEM)
		return;
	refusal = refusal_of(replies, &replies->messages[group].msg_hdr, &to);
	*refusal = (struct udp_refusal){
	        .to = to,
	        .segment = is_size ? replies->groups[group].train.segment : 0,
	        .until_ns = clock_now_ns() + UDP_REFUSAL_MS * NS_PER_MS,
	};
	replies->refused_until_ns = refusal->until_ns;
}

/* All datagrams of a message are of one size, and only its last one may be shorter. */
static bool
fits_group(struct udp_replies *replies, size_t i, const struct train *train,
        const struct udp_departure *departure)
{
	const struct udp_group *group = &replies->groups[i];
	size_t segment = group->train.segment;
	uint32_t count = train_count(train);

	return segment > 0 && train->length > 0 && group->train.length % segment == 0 &&
	       (count > 1 ? train->segment == segment : train->length <= segment) &&
	       train_count(&group->train) + count <= UDP_GROUP_DATAGRAMS &&
	       group->train.length + train->length <= UDP_GROUP_BYTES &&
	       memcmp(&group->departure, departure, sizeof(*departure)) == 0 &&
	       !is_refused(replies, i);
}

static void
write_departure(
        struct udp_group *group, struct msghdr *message, const struct udp_departure *departure)
{
	message->msg_controllen = 0;
	if (!departure)
		return;
	if (group->control_length == 0 ||
	        memcmp(&group->departure, departure, sizeof(*departure)) != 0) {
		group->departure = *departure;
		udp_cmsg_write_departure(message, departure);
		group->control_length = message->msg_controllen;
	}
	message->msg_controllen = group->control_length;
}

static void
begin_group(struct udp_replies *replies, size_t first, struct address *to,
        const struct train *train, const struct udp_departure *departure)
{
	size_t i = replies->n_groups++;
	struct msghdr *message = &replies->messages[i].msg_hdr;
	struct udp_group *group = &replies->groups[i];

	group->first = group->last = (uint8_t)first;
	group->train.length = train->length;
	group->train.segment = train_count(train) > 1 ? train->segment : train->length;
	message->msg_name = &to->storage;
	message->msg_namelen = to->length;
	message->msg_control = replies->cmsgs[i].bytes;
	write_departure(group, message, departure);
}

void
udp_replies_add(struct udp_replies *replies, struct address *to, void *bytes,
        const struct train *train, const struct udp_departure *departure)
{
	size_t i = replies->count++;
	uint8_t *latest = NULL;

	replies->replies[i] = (struct udp_reply){.bytes = bytes, .length = train->length};
	if (departure && replies->coalesce)
		latest = latest_group(replies, to);
	/* An earlier group than the latest would change the order for the peer. */
	if (latest && *latest && fits_group(replies, *latest - 1u, train, departure)) {
		struct udp_group *group = &replies->groups[*latest - 1u];

		replies->replies[group->last].next = (uint8_t)(i + 1);
		group->last = (uint8_t)i;
		group->train.length += train->length;
		return;
	}
	begin_group(replies, i, to, train, departure);
	if (latest)
		*latest = (uint8_t)replies->n_groups;
}

/* Lays the replies of each group side by side, and tells the kernel where to cut. */
static void
finish_messages(struct udp_replies *replies)
{
	struct iovec *iovec = replies->iovecs;

	for (size_t i = 0; i < replies->n_groups; i++) {
		const struct udp_group *group = &replies->groups[i];
		struct msghdr *message = &replies->messages[i].msg_hdr;
		const struct udp_reply *reply;

		message->msg_iov = iovec;
		for (uint8_t next = (uint8_t)(group->first + 1); next; next = reply->next) {
			reply = &replies->replies[next - 1];
			*iovec++ = (struct iovec){reply->bytes, reply->length};
		}
		message->msg_iovlen = (size_t)(iovec - message->msg_iov);
		if (train_count(&group->train) > 1)
			udp_cmsg_append_segment(message, (uint16_t)group->train.segment);
	}
}

static void
count_answered(struct stats *stats, uint32_t datagrams, size_t bytes)
{
	stats->udp_answered += datagrams;
	stats->udp_answered_bytes += bytes;
}

/* Returns 0 or a negative errno. */
static int
send_one(const struct msghdr *message, int fd)
{
	ssize_t sent;

	do
		sent = sendmsg(fd, message, FLAGS);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Sends the datagrams of a group one by one. No datagram lies in two replies. */
static void
send_singly(struct udp_replies *replies, size_t group, int fd, struct stats *stats)
{
	struct msghdr single = replies->messages[group].msg_hdr;
	struct train rest = replies->groups[group].train;
	const struct iovec *reply = single.msg_iov;
	size_t offset = 0;

	udp_cmsg_remove_segment(&single);
	while (rest.length > 0) {
		size_t piece = train_piece(&rest, 0);
		struct iovec datagram = {(char *)reply->iov_base + offset, piece};
		int error;

		single.msg_iov = &datagram;
		single.msg_iovlen = 1;
		error = send_one(&single, fd);
		if (error == -EAGAIN) { /* the buffer is full for the others as well */
			stats_count_send_error(stats, EAGAIN, train_count(&rest));
			return;
		}
		if (error)
			stats_count_send_error(stats, -error, 1);
		else
			count_answered(stats, 1, piece);
		rest.length -= piece;
		offset += piece;
		if (offset == reply->iov_len) {
			reply++;
			offset = 0;
		}
	}
}

/* The kernel has refused the message of a group. */
static void
handle_refusal(struct udp_replies *replies, size_t group, int error, int fd, struct stats *stats)
{
	if (train_count(&replies->groups[group].train) > 1) {
		remember_refusal(replies, group, error);
		send_singly(replies, group, fd, stats);
	} else {
		stats_count_send_error(stats, error, 1);
	}
}

void
udp_replies_send(struct udp_replies *replies, int fd, struct stats *stats)
{
	size_t done = 0;

	finish_messages(replies);
	while (done < replies->n_groups) {
		int sent = sendmmsg(
		        fd, replies->messages + done, (unsigned)(replies->n_groups - done), FLAGS);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0) {
			handle_refusal(replies, done++, errno, fd, stats);
			continue;
		}
		for (size_t end = done + (size_t)sent; done < end; done++)
			count_answered(stats, train_count(&replies->groups[done].train),
			        replies->groups[done].train.length);
	}
	replies->count = replies->n_groups = 0;
	memset(replies->latest, 0, sizeof(replies->latest));
}
