#include "test.h"

#include "sending.h"

#include <errno.h>

/* Adds a reply that begins at its number, to a peer of its own. */
static void
add(unsigned char number, size_t length, size_t segment)
{
	sending_add(number, number, (struct train){.length = length, .segment = segment}, 0);
}

static void
assert_sent(unsigned index, unsigned char first, size_t length)
{
	assert_in_range(index, 0, kernel.count - 1);
	assert_ptr_equal(kernel.sent[index].bytes, &sending_bytes[first]);
	assert_int_equal(kernel.sent[index].length, length);
}

static void
a_batch_goes_out_in_one_call(void **state)
{
	(void)state;
	for (unsigned i = 0; i < UDP_BATCH; i++)
		add((unsigned char)i, i, 0);
	sending_send();
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.count, UDP_BATCH);
	for (unsigned i = 0; i < UDP_BATCH; i++)
		assert_sent(i, (unsigned char)i, i);
	assert_int_equal(stats.udp_answered, UDP_BATCH);
	assert_int_equal(stats.udp_answered_bytes, UDP_BATCH * (UDP_BATCH - 1) / 2);
	sending_send();
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
		add(i, 10, 0);
	sending_send();
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
		sending_reset(state);
		kernel.errors[0] = (unsigned)samples[i].error;
		add(0, 1, 0);
		sending_send();
		assert_int_equal(*samples[i].counter, 1);
		assert_int_equal(stats.udp_answered, 0);
	}
}

static void
a_train_goes_out_as_one(void **state)
{
	(void)state;
	add(0, 95, 10);
	add(100, 7, 0);
	add(200, 30, 10);
	sending_send();
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
	kernel.group_error = EINVAL;
	add(0, 10, 10);
	add(10, 0, 10);
	sending_send();
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
		sending_reset(state);
		kernel.group_error = errors[e];
		add(250, 1, 0);
		add(0, 100, 10);
		add(100, 25, 10);
		add(251, 1, 0);
		sending_send();
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
	kernel.group_error = EPERM;
	kernel.errors[1] = EPERM;
	kernel.errors[4] = EMSGSIZE;
	add(0, 95, 10);
	sending_send();
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
	kernel.group_error = EAGAIN;
	kernel.errors[3] = EAGAIN;
	add(0, 95, 10);
	add(200, 1, 0);
	sending_send();
	assert_int_equal(stats.udp_answered, 3 + 1);
	assert_int_equal(stats.udp_failed_again, 7);
	assert_int_equal(kernel.calls, 1 + 4 + 1);
	assert_sent(3, 200, 1);
}

static void
interruptions_lose_nothing(void **state)
{
	(void)state;
	kernel.group_error = EIO;
	kernel.interrupts = 3;
	add(0, 20, 10);
	add(100, 10, 0);
	sending_send();
	assert_int_equal(stats.udp_answered, 3);
	assert_int_equal(kernel.count, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(a_batch_goes_out_in_one_call, sending_reset),
	        cmocka_unit_test_setup(a_refused_reply_costs_only_itself, sending_reset),
	        cmocka_unit_test_setup(every_errno_is_counted_once, sending_reset),
	        cmocka_unit_test_setup(a_train_goes_out_as_one, sending_reset),
	        cmocka_unit_test_setup(a_train_cut_to_one_is_none, sending_reset),
	        cmocka_unit_test_setup(a_refused_train_goes_out_singly_and_in_order, sending_reset),
	        cmocka_unit_test_setup(of_a_refused_train_each_datagram_is_counted, sending_reset),
	        cmocka_unit_test_setup(a_full_buffer_ends_a_train, sending_reset),
	        cmocka_unit_test_setup(interruptions_lose_nothing, sending_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
