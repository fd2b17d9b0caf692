#include "sending.h"

#include "test.h"

#include <errno.h>
#include <linux/udp.h>
#include <string.h>

struct sending kernel;
struct stats stats;
struct udp_replies replies;
unsigned char sending_bytes[SENDING_BYTES];

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);

static int
number_told(struct msghdr message, int level, int type, size_t size)
{
	int number = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != level || c->cmsg_type != type)
			continue;
		assert_int_equal(number, -1);
		number = 0;
		memcpy(&number, CMSG_DATA(c), size);
	}
	return number;
}

static size_t
segment_of(const struct msghdr *message)
{
	int segment = number_told(*message, IPPROTO_UDP, UDP_SEGMENT, sizeof(uint16_t));

	return segment < 0 ? 0 : (size_t)segment;
}

static uint16_t
peer_of(const struct msghdr *message)
{
	const struct sockaddr_in6 *to = message->msg_name;

	assert_int_equal(message->msg_namelen, sizeof(*to));
	return ntohs(to->sin6_port);
}

static void
keep(const struct msghdr *message, const unsigned char *data, size_t length)
{
	assert_in_range(kernel.count, 0, SENDING_MOST - 1);
	assert_true(
	        message->msg_controllen == 0 || message->msg_controllen >= sizeof(struct cmsghdr));
	kernel.sent[kernel.count].peer = peer_of(message);
	kernel.sent[kernel.count].bytes = data;
	kernel.sent[kernel.count].traffic_class =
	        number_told(*message, IPPROTO_IPV6, IPV6_TCLASS, sizeof(int));
	kernel.sent[kernel.count++].length = length;
}

/* Cuts a message as the kernel does. The daemon puts no datagram into two iovecs. */
static void
take(const struct msghdr *message, size_t segment)
{
	size_t total = 0, pieces = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++) {
		const unsigned char *data = message->msg_iov[i].iov_base;
		size_t rest = message->msg_iov[i].iov_len;

		total += rest;
		do {
			size_t piece = segment && segment < rest ? segment : rest;
			bool is_last = piece == rest && i + 1 == message->msg_iovlen;

			if (segment && !is_last)
				assert_int_equal(piece, segment);
			keep(message, data, piece);
			data += piece;
			rest -= piece;
			pieces++;
		} while (rest > 0);
	}
	assert_true(segment == 0 ? pieces == 1 : segment < total);
	assert_in_range(pieces, 1, 64);
	assert_in_range(total, 0, 65507);
	kernel.messages++;
}

/* Returns the errno for one message, or 0 and has taken it. */
static int
send_one(int fd, const struct msghdr *message, int flags)
{
	size_t segment = segment_of(message);
	int error;

	assert_int_equal(fd, SENDING_FD);
	assert_int_equal(flags, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (segment == 0)
		error = (int)kernel.errors[kernel.singles++];
	else if (kernel.refusing && kernel.refusing != peer_of(message))
		error = 0;
	else
		error = segment > kernel.largest ? kernel.group_error : 0;
	if (error == 0)
		take(message, segment);
	return error;
}

static bool
is_interrupted(void)
{
	kernel.calls++;
	errno = EINTR;
	return kernel.interrupts > 0 && kernel.interrupts--;
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (is_interrupted())
		return -1;
	errno = send_one(fd, message, flags);
	return errno ? -1 : (ssize_t)message->msg_iov->iov_len;
}

int
__wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	if (is_interrupted())
		return -1;
	for (unsigned i = 0; i < count; i++) {
		bool single = segment_of(&messages[i].msg_hdr) == 0;
		int error = send_one(fd, &messages[i].msg_hdr, flags);

		if (error == 0)
			continue;
		if (i == 0) {
			errno = error;
			return -1;
		}
		kernel.singles -= single; /* it will be tried again: no error is kept for later */
		return (int)i;
	}
	return (int)count;
}

void
sending_forget(void)
{
	kernel.calls = kernel.messages = kernel.count = kernel.singles = 0;
}

int
sending_reset(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	memset(&stats, 0, sizeof(stats));
	memset(&replies, 0, sizeof(replies));
	fake_clock_ns += 10 * NS_PER_S;
	udp_replies_begin(&replies, true);
	for (size_t i = 0; i < SENDING_BYTES; i++)
		sending_bytes[i] = (unsigned char)(i * 31 + i / 251 + i / 65000);
	return 0;
}

/* Adds bytes of the batch's, as a reply to a peer that is its port. */
void
sending_add(uint16_t port, size_t start, struct train train, int traffic_class)
{
	static struct address to[UDP_BATCH];
	static size_t used;
	struct address *peer = &to[used++ % UDP_BATCH];
	const struct udp_departure departure = {
	        .local = {.s6_addr = {[0] = 0x20}}, .traffic_class = traffic_class};

	*peer = (struct address){.length = sizeof(peer->in6), .in6.sin6_family = AF_INET6};
	peer->in6.sin6_addr.s6_addr[15] = (uint8_t)port;
	address_set_port(peer, port);
	assert_in_range(start + train.length, 0, SENDING_BYTES);
	udp_replies_add(&replies, peer, &sending_bytes[start], &train, &departure);
}

void
sending_send(void)
{
	udp_replies_send(&replies, SENDING_FD, &stats);
	udp_replies_begin(&replies, true);
}
