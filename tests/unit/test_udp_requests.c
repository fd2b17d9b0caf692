#include "test.h"

#include "echod/udp_requests.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

enum {
	FD = 7,
};

/* A kernel that fills in as many messages as it is told to. */
static struct {
	int error; /* errno of the next calls, or 0 */
	unsigned count;
	size_t control_size; /* that every message must offer */
	bool no_memory;
} kernel;

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *time);
void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);

void *
__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (kernel.no_memory) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(at, length, protection, flags, fd, offset);
}

int
__wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *time)
{
	assert_int_equal(fd, FD);
	assert_int_equal(n, UDP_BATCH);
	assert_int_equal(flags, MSG_DONTWAIT);
	assert_null(time);
	for (unsigned i = 0; i < n; i++) {
		struct msghdr *header = &messages[i].msg_hdr;

		assert_int_equal(header->msg_namelen, sizeof(struct sockaddr_storage));
		assert_int_equal(header->msg_controllen, kernel.control_size);
		assert_int_equal(header->msg_iovlen, 1);
		assert_int_equal(header->msg_iov->iov_len, UDP_REQUEST_SIZE);
	}
	if (kernel.error) {
		errno = kernel.error;
		return -1;
	}
	for (unsigned i = 0; i < kernel.count; i++) {
		messages[i].msg_hdr.msg_namelen = 16 + i % 3;
		messages[i].msg_hdr.msg_controllen = 0;
		memset(messages[i].msg_hdr.msg_iov->iov_base, (int)i, UDP_REQUEST_SIZE);
		messages[i].msg_len = UDP_REQUEST_SIZE;
	}
	return (int)kernel.count;
}

static void
receive(struct udp_requests *requests, unsigned count, size_t control_size)
{
	kernel.count = count;
	kernel.control_size = control_size;
	assert_int_equal(udp_requests_receive(requests, FD, control_size), count);
	assert_int_equal(requests->count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(requests->from[i].length, 16 + i % 3);
		assert_int_equal(requests->bytes[i][0], i);
		assert_int_equal(requests->bytes[i][UDP_REQUEST_SIZE - 1], i);
	}
}

static void
every_batch_finds_all_messages_as_new(void **state)
{
	static const unsigned counts[] = {UDP_BATCH, 1, 0, UDP_BATCH, 5, 5, 63};
	struct udp_requests *requests = udp_requests_new();

	(void)state;
	kernel.error = 0;
	assert_non_null(requests);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		receive(requests, counts[i], sizeof(struct udp_cmsg));
	/* sockets take turns, UNIX sockets without control messages */
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		receive(requests, counts[i], i % 2 ? sizeof(struct udp_cmsg) : 0);
	udp_requests_free(requests);
}

static void
a_failed_receive_has_no_messages(void **state)
{
	struct udp_requests *requests = udp_requests_new();

	(void)state;
	receive(requests, UDP_BATCH, 0);
	kernel.error = ENOBUFS;
	assert_int_equal(udp_requests_receive(requests, FD, 0), -ENOBUFS);
	assert_int_equal(requests->count, 0);
	kernel.error = 0;
	receive(requests, 3, 0);
	udp_requests_free(requests);
}

static void
without_memory(void **state)
{
	(void)state;
	kernel.no_memory = true;
	errno = 0;
	assert_null(udp_requests_new());
	assert_int_equal(errno, ENOMEM);
	kernel.no_memory = false;
	udp_requests_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_batch_finds_all_messages_as_new),
	        cmocka_unit_test(a_failed_receive_has_no_messages),
	        cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
