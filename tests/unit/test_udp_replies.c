#include "test.h"

#include "echod/udp_replies.h"

#include <errno.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

enum {
	FD = 7,
	MOST_SENT = 256,
};

/* A kernel that keeps what it takes, cut into datagrams, and refuses what it is told to. */
static struct {
	unsigned calls;
	unsigned interrupts;        /* so many calls fail with EINTR first */
	int train_error;            /* errno for messages with UDP_SEGMENT; 0 for none */
	unsigned errors[MOST_SENT]; /* errno for the n-th message that is no train; 0 for none */
	unsigned singles;           /* messages that were no train, taken or refused */
	unsigned count;             /* datagrams taken */
	struct {
		unsigned char first; /* byte */
		size_t length;
	} sent[MOST_SENT];
} kernel;

static struct stats stats;
static struct udp_replies replies;
static unsigned char bytes[4096];

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);

static size_t
segment_of(struct msghdr message)
{
	uint16_t segment = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
	return segment;
}

static void
take(const struct msghdr *message, size_t segment)
{
	const unsigned char *data = message->msg_iov->iov_base;
	size_t rest = message->msg_iov->iov_len;

	do {
		size_t piece = segment && segment < rest ? segment : rest;

		kernel.sent[kernel.count].first = data[0];
		kernel.sent[kernel.count++].length = piece;
		data += piece;
		rest -= piece;
	} while (rest > 0);
}

/* Returns the errno for one message, or 0 and has taken it. */
static int
send_one(int fd, const struct msghdr *message, int flags)
{
	size_t segment = segment_of(*message);
	int error;

	assert_int_equal(fd, FD);
	assert_int_equal(flags, MSG_DONTWAIT | MSG_NOSIGNAL);
	error = segment ? kernel.train_error : (int)kernel.errors[kernel.singles++];
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
		int error = send_one(fd, &messages[i].msg_hdr, flags);

		if (error == 0)
			continue;
		if (i == 0) {
			errno = error;
			return -1;
		}
		kernel.singles--; /* it will be tried again: sendmmsg() keeps no error for later */
		return (int)i;
	}
	return (int)count;
}

static int
reset(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	memset(&stats, 0, sizeof(stats));
	replies.count = 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	return 0;
}

/* Adds a reply whose first byte is its number, with addresses as over IPv4 or IPv6. */
static void
add(unsigned char number, size_t length, size_t segment, const char *from)
{
	static struct address to = {.length = sizeof(to.in6), .in6.sin6_family = AF_INET6};
	const struct train train = {.length = length, .segment = segment};
	struct in6_addr source = {.s6_addr = {[0] = 0x20}};
	struct msghdr *message = udp_replies_add(&replies, &to, &bytes[number], &train);

	if (strcmp(from, "v4") == 0)
		source = address_mapped((struct in_addr){1});
	udp_cmsg_write_reply(message, &(struct udp_arrival){0}, &source, true);
}

static void
assert_sent(unsigned index, unsigned char first, size_t length)
{
	assert_in_range(index, 0, kernel.count - 1);
	assert_int_equal(kernel.sent[index].first, first);
	assert_int_equal(kernel.sent[index].length, length);
}

static void
a_batch_goes_out_in_one_call(void **state)
{
	(void)state;
	for (unsigned i = 0; i < UDP_BATCH; i++)
		add((unsigned char)i, i, 0, "v4");
	udp_replies_send(&replies, FD, &stats);
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.count, UDP_BATCH);
	for (unsigned i = 0; i < UDP_BATCH; i++)
		assert_sent(i, (unsigned char)i, i);
	assert_int_equal(stats.udp_answered, UDP_BATCH);
	assert_int_equal(stats.udp_answered_bytes, UDP_BATCH * (UDP_BATCH - 1) / 2);
	udp_replies_send(&replies, FD, &stats);
	assert_int_equal(kernel.calls, 1);
}

static void
a_refused_reply_costs_only_itself(void **state)
{
	(void)state;
	kernel.errors[0] = EPERM;
	kernel.errors[2] = EHOSTUNREACH;
	kernel.errors[3] = ENOBUFS;
	kernel.errors[6] = EAGAIN;
	for (unsigned char i = 0; i < 7; i++)
		add(i, 10, 0, "v6");
	udp_replies_send(&replies, FD, &stats);
	assert_int_equal(kernel.count, 3);
	assert_sent(0, 1, 10);
	assert_sent(1, 4, 10);
	assert_sent(2, 5, 10);
	assert_int_equal(stats.udp_answered, 3);
	assert_int_equal(stats.udp_failed_permission, 1);
	assert_int_equal(stats.udp_failed_unreachable, 1);
	assert_int_equal(stats.udp_failed_memory, 1);
	assert_int_equal(stats.udp_failed_again, 1);
}

static void
every_errno_is_counted_once(void **state)
{
	static const struct {
		int error;
		uint64_t *counter;
	} samples[] = {
	        {EAGAIN, &stats.udp_failed_again},
	        {ENOBUFS, &stats.udp_failed_memory},
	        {ENOMEM, &stats.udp_failed_memory},
	        {EPERM, &stats.udp_failed_permission},
	        {EACCES, &stats.udp_failed_permission},
	        {ENETUNREACH, &stats.udp_failed_unreachable},
	        {EHOSTUNREACH, &stats.udp_failed_unreachable},
	        {ENETDOWN, &stats.udp_failed_unreachable},
	        {EHOSTDOWN, &stats.udp_failed_unreachable},
	        {ECONNREFUSED, &stats.udp_failed_unreachable},
	        {EMSGSIZE, &stats.udp_failed_size},
	        {EINVAL, &stats.udp_failed_other},
	        {EIO, &stats.udp_failed_other},
	};

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		reset(state);
		kernel.errors[0] = (unsigned)samples[i].error;
		add(0, 1, 0, "v4");
		udp_replies_send(&replies, FD, &stats);
		assert_int_equal(*samples[i].counter, 1);
		assert_int_equal(stats.udp_answered, 0);
	}
}

static void
a_train_goes_out_as_one(void **state)
{
	(void)state;
	add(0, 95, 10, "v6");
	add(100, 7, 0, "v4");
	add(200, 30, 10, "v4");
	udp_replies_send(&replies, FD, &stats);
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.count, 14);
	assert_sent(8, 80, 10);
	assert_sent(9, 90, 5);
	assert_sent(10, 100, 7);
	assert_sent(13, 220, 10);
	assert_int_equal(stats.udp_answered, 14);
	assert_int_equal(stats.udp_answered_bytes, 95 + 7 + 30);
}

/* Not even with the segment of a larger train that was before it in the buffer. */
static void
a_train_cut_to_one_is_none(void **state)
{
	(void)state;
	kernel.train_error = EINVAL;
	add(0, 10, 10, "v6");
	add(10, 0, 10, "v6");
	udp_replies_send(&replies, FD, &stats);
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.count, 2);
	assert_sent(0, 0, 10);
	assert_sent(1, 10, 0);
}

static void
a_refused_train_goes_out_singly_and_in_order(void **state)
{
	static const int errors[] = {EINVAL, EMSGSIZE, EIO, EOPNOTSUPP, EPERM, ENOBUFS, EAGAIN};

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		reset(state);
		kernel.train_error = errors[e];
		add(250, 1, 0, "v4");
		add(0, 100, 10, "v6");
		add(100, 25, 10, "v4");
		add(251, 1, 0, "v6");
		udp_replies_send(&replies, FD, &stats);
		assert_int_equal(kernel.count, 1 + 10 + 3 + 1);
		assert_sent(0, 250, 1);
		for (unsigned char i = 0; i < 10; i++)
			assert_sent(1u + i, (unsigned char)(10 * i), 10);
		assert_sent(13, 120, 5);
		assert_sent(14, 251, 1);
		assert_int_equal(stats.udp_answered, 15);
		assert_int_equal(stats.udp_answered_bytes, 127);
	}
}

static void
of_a_refused_train_each_datagram_is_counted(void **state)
{
	(void)state;
	kernel.train_error = EPERM;
	kernel.errors[1] = EPERM;
	kernel.errors[4] = EMSGSIZE;
	add(0, 95, 10, "v6");
	udp_replies_send(&replies, FD, &stats);
	assert_int_equal(stats.udp_answered, 8);
	assert_int_equal(stats.udp_answered_bytes, 75);
	assert_int_equal(stats.udp_failed_permission, 1);
	assert_int_equal(stats.udp_failed_size, 1);
}

/* No time is spent on the rest of a train when the buffer is full, but it is counted. */
static void
a_full_buffer_ends_a_train(void **state)
{
	(void)state;
	kernel.train_error = EAGAIN;
	kernel.errors[3] = EAGAIN;
	add(0, 95, 10, "v6");
	add(200, 1, 0, "v6");
	udp_replies_send(&replies, FD, &stats);
	assert_int_equal(stats.udp_answered, 3 + 1);
	assert_int_equal(stats.udp_failed_again, 7);
	assert_int_equal(kernel.calls, 1 + 4 + 1);
	assert_sent(3, 200, 1);
}

static void
interruptions_lose_nothing(void **state)
{
	(void)state;
	kernel.train_error = EIO;
	kernel.interrupts = 3;
	add(0, 20, 10, "v4");
	add(100, 10, 0, "v4");
	udp_replies_send(&replies, FD, &stats);
	assert_int_equal(stats.udp_answered, 3);
	assert_int_equal(kernel.count, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(a_batch_goes_out_in_one_call, reset),
	        cmocka_unit_test_setup(a_refused_reply_costs_only_itself, reset),
	        cmocka_unit_test_setup(every_errno_is_counted_once, reset),
	        cmocka_unit_test_setup(a_train_goes_out_as_one, reset),
	        cmocka_unit_test_setup(a_train_cut_to_one_is_none, reset),
	        cmocka_unit_test_setup(a_refused_train_goes_out_singly_and_in_order, reset),
	        cmocka_unit_test_setup(of_a_refused_train_each_datagram_is_counted, reset),
	        cmocka_unit_test_setup(a_full_buffer_ends_a_train, reset),
	        cmocka_unit_test_setup(interruptions_lose_nothing, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
