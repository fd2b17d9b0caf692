#include "test.h"

#include "echod/delivery.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* What the kernel answers. */
static struct {
	uint64_t acked;
	bool closed;
	int info_error, pending, pending_error;
	socklen_t known; /* bytes of struct tcp_info that it has; 0: all */
	int calls;
} tcp;

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);

int
__wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	struct tcp_info info = {.tcpi_state = tcp.closed ? 7 : 1, .tcpi_bytes_acked = tcp.acked};

	assert_int_equal(fd, 42);
	tcp.calls++;
	if (level == SOL_SOCKET && name == SO_ERROR) {
		errno = tcp.pending_error;
		memcpy(value, &tcp.pending, sizeof(tcp.pending));
		return tcp.pending_error ? -1 : 0;
	}
	assert_int_equal(level, IPPROTO_TCP);
	assert_int_equal(name, TCP_INFO);
	errno = tcp.info_error;
	if (tcp.info_error)
		return -1;
	if (tcp.known)
		*length = tcp.known;
	memcpy(value, &info, *length);
	return 0;
}

static void
the_kernel_is_asked_only_when_bytes_may_be_outstanding(void **state)
{
	struct delivery delivery = {0};
	uint32_t waiting;

	(void)state;
	assert_int_equal(delivery_check(&delivery, 42, 0, 1, &waiting), DELIVERY_COMPLETE);
	assert_int_equal(tcp.calls, 0);
	tcp.acked = 10;
	assert_int_equal(delivery_check(&delivery, 42, 10, 2, &waiting), DELIVERY_COMPLETE);
	assert_int_equal(tcp.calls, 1);
	assert_int_equal(delivery_check(&delivery, 42, 10, 3, &waiting), DELIVERY_COMPLETE);
	assert_int_equal(tcp.calls, 1);
	assert_int_equal(delivery_check(&delivery, 42, 11, 4, &waiting), DELIVERY_OUTSTANDING);
	assert_int_equal(tcp.calls, 2);
	tcp.acked = 12; /* a FIN of ours that is acknowledged counts */
	assert_int_equal(delivery_check(&delivery, 42, 11, 5, &waiting), DELIVERY_COMPLETE);
	assert_int_equal(delivery_check(&delivery, 42, 11, 6, &waiting), DELIVERY_COMPLETE);
	assert_int_equal(tcp.calls, 3);
}

static void
waiting_begins_when_first_seen_and_again_with_each_acknowledgement(void **state)
{
	const struct {
		uint64_t sent, acked;
		uint32_t now, waiting;
	} looks[] = {{100, 0, 7, 0}, {100, 0, 8, 1}, {200, 0, 17, 10}, {200, 1, 18, 0},
	        {200, 1, 28, 10}, {200, 200, 29, 0}, {200, 200, 1000, 0}, {201, 200, 1001, 0},
	        {201, 200, 1011, 10}};
	struct delivery delivery = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		uint32_t waiting;
		int result;

		tcp.acked = looks[i].acked;
		result = delivery_check(&delivery, 42, looks[i].sent, looks[i].now, &waiting);
		assert_int_equal(result,
		        looks[i].acked < looks[i].sent ? DELIVERY_OUTSTANDING : DELIVERY_COMPLETE);
		assert_int_equal(waiting, looks[i].waiting);
	}
}

/* The ticks and the low half of the bytes wrap. */
static void
wrapping_is_no_matter(void **state)
{
	struct delivery delivery = {0};
	uint32_t waiting;

	(void)state;
	tcp.acked = (UINT64_C(3) << 32) - 5;
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(delivery_check(&delivery, 42, (UINT64_C(3) << 32) + 5,
		                         UINT32_MAX - 1 + i, &waiting),
		        DELIVERY_OUTSTANDING);
		assert_int_equal(waiting, i);
	}
	delivery = (struct delivery){0};
	for (uint32_t i = 0; i < 5; i++) { /* first seen in the last tick: a tick late */
		assert_int_equal(delivery_check(&delivery, 42, (UINT64_C(3) << 32) + 1,
		                         UINT32_MAX + i, &waiting),
		        DELIVERY_OUTSTANDING);
		assert_int_equal(waiting, i > 0 ? i - 1 : 0);
	}
}

static void
what_the_kernel_does_not_know_is_delivered(void **state)
{
	struct delivery delivery = {0};
	uint32_t waiting;

	(void)state;
	tcp.info_error = EOPNOTSUPP; /* a UNIX socket */
	assert_int_equal(delivery_check(&delivery, 42, 10, 1, &waiting), DELIVERY_COMPLETE);
	tcp.info_error = 0;
	tcp.known = offsetof(struct tcp_info, tcpi_bytes_acked); /* before Linux 4.1 */
	assert_int_equal(delivery_check(&delivery, 42, 20, 1, &waiting), DELIVERY_COMPLETE);
	assert_int_equal(waiting, 0);
}

static void
a_dead_connection_names_its_errno(void **state)
{
	const struct {
		int pending, error, result;
		uint64_t acked;
	} samples[] = {{ETIMEDOUT, 0, -ETIMEDOUT, 5}, {EPIPE, 0, -EPIPE, 0}, {0, 0, -ECONNRESET, 9},
	        {0, ENOBUFS, -ECONNRESET, 0}, {EPIPE, 0, DELIVERY_COMPLETE, 10}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct delivery delivery = {0};
		uint32_t waiting = 1;

		tcp.closed = true;
		tcp.acked = samples[i].acked;
		tcp.pending = samples[i].pending;
		tcp.pending_error = samples[i].error;
		assert_int_equal(delivery_check(&delivery, 42, 10, 3, &waiting), samples[i].result);
		assert_int_equal(waiting, 0);
	}
}

static int
reset(void **state)
{
	(void)state;
	memset(&tcp, 0, sizeof(tcp));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(
	                the_kernel_is_asked_only_when_bytes_may_be_outstanding, reset),
	        cmocka_unit_test_setup(
	                waiting_begins_when_first_seen_and_again_with_each_acknowledgement, reset),
	        cmocka_unit_test_setup(wrapping_is_no_matter, reset),
	        cmocka_unit_test_setup(what_the_kernel_does_not_know_is_delivered, reset),
	        cmocka_unit_test_setup(a_dead_connection_names_its_errno, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
