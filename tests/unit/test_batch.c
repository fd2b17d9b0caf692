#include "test.h"

#include "echod/batch.h"

#include <errno.h>
#include <liburing.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PAIRS = BATCH_MOST,
};

static struct batch *batch;
static struct io_uring *ring; /* the batch's */
static int near[PAIRS], far[PAIRS];
static char bytes[PAIRS][32];
static struct batch_call calls[PAIRS];
static int set_up_error;
static unsigned submissions;
static bool refuse; /* a submission fails after so many requests: */
static unsigned refuse_after;

int __real_io_uring_queue_init_params(
        unsigned entries, struct io_uring *of, struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(
        unsigned entries, struct io_uring *of, struct io_uring_params *params);
int __real_io_uring_submit_and_wait(struct io_uring *of, unsigned n);
int __wrap_io_uring_submit_and_wait(struct io_uring *of, unsigned n);

int
__wrap_io_uring_queue_init_params(
        unsigned entries, struct io_uring *of, struct io_uring_params *params)
{
	if (set_up_error)
		return -set_up_error;
	ring = of;
	return __real_io_uring_queue_init_params(entries, of, params);
}

int
__wrap_io_uring_submit_and_wait(struct io_uring *of, unsigned n)
{
	submissions++;
	if (!refuse)
		return __real_io_uring_submit_and_wait(of, n);
	if (refuse_after == 0)
		return -ENOMEM;
	of->sq.sqe_tail -= n - refuse_after; /* the kernel took no more than these */
	return __real_io_uring_submit_and_wait(of, refuse_after);
}

static int
set_up(void **state)
{
	(void)state;
	refuse = false;
	for (int i = 0; i < PAIRS; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		near[i] = pair[0];
		far[i] = pair[1];
		calls[i] = (struct batch_call){
		        .owner = &far[i], .fd = pair[0], .into = bytes[i], .length = 32};
	}
	memset(bytes, 0, sizeof(bytes));
	batch = batch_new();
	if (!batch)
		print_message("io_uring: %s\n", strerror(errno));
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	batch_free(batch);
	batch_free(NULL);
	for (int i = 0; i < PAIRS; i++) {
		close(near[i]);
		close(far[i]);
	}
	return 0;
}

static void
need_ring(void)
{
	if (!batch)
		skip();
}

static void
each_call_has_its_own_answer(void **state)
{
	(void)state;
	need_ring();
	for (int i = 0; i < PAIRS; i++) {
		char text[32];
		int length = snprintf(text, sizeof(text), "bytes of %d", i);

		if (i % 4 == 0)
			assert_int_equal(send(far[i], text, (size_t)length, 0), length);
		else if (i % 4 == 1)
			shutdown(far[i], SHUT_WR);
		else if (i % 4 == 2)
			calls[i].fd = -1;
	}
	batch_receive(batch, calls, PAIRS);
	for (int i = 0; i < PAIRS; i++) {
		char text[32];
		int length = snprintf(text, sizeof(text), "bytes of %d", i);
		const ssize_t answers[] = {length, 0, -EBADF, -EAGAIN};

		assert_int_equal(calls[i].result, answers[i % 4]);
		assert_string_equal(bytes[i], i % 4 == 0 ? text : "");
		assert_ptr_equal(calls[i].owner, &far[i]);
	}
}

static void
sends_do_not_wait_and_raise_nothing(void **state)
{
	static char many[1 << 20];
	char buffer[32];

	(void)state;
	need_ring();
	for (int i = 0; i < 3; i++)
		calls[i].from = "hello";
	calls[0].length = 5;
	calls[1].from = many; /* more than the socket takes */
	calls[1].length = sizeof(many);
	close(far[2]);
	calls[2].length = 5;
	batch_send(batch, calls, 3);
	assert_int_equal(calls[0].result, 5);
	assert_int_equal(recv(far[0], buffer, sizeof(buffer), 0), 5);
	assert_memory_equal(buffer, "hello", 5);
	assert_in_range(calls[1].result, 1, sizeof(many) - 1);
	assert_int_equal(calls[2].result, -EPIPE);
	batch_send(batch, calls, 2);
	assert_int_equal(calls[0].result, 5);
	assert_int_equal(calls[1].result, -EAGAIN);
	far[2] = -1;
}

/* The ring is used again and again. */
static void
thousands_of_calls(void **state)
{
	(void)state;
	need_ring();
	submissions = 0;
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < PAIRS; i++)
			assert_int_equal(send(far[i], &round, sizeof(round), 0), sizeof(round));
		batch_receive(batch, calls, PAIRS);
		for (int i = 0; i < PAIRS; i++) {
			assert_int_equal(calls[i].result, sizeof(round));
			assert_memory_equal(bytes[i], &round, sizeof(round));
		}
	}
	assert_int_equal(submissions, 200);
}

/* Nothing is lost, nothing is done twice, and it goes on so. */
static void
what_the_kernel_does_not_take_is_done_one_by_one(void **state)
{
	(void)state;
	need_ring();
	for (int i = 0; i < 10; i++)
		assert_int_equal(send(far[i], "ab", 2, 0), 2);
	for (int i = 0; i < 10; i++)
		calls[i].length = 1;
	refuse = true;
	refuse_after = (unsigned)(size_t)*state;
	batch_receive(batch, calls, 10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(calls[i].result, 1);
		assert_int_equal(bytes[i][0], 'a');
	}
	refuse = false;
	batch_receive(batch, calls, 11);
	for (int i = 0; i < 10; i++)
		assert_int_equal(bytes[i][0], 'b');
	assert_int_equal(calls[10].result, -EAGAIN);
	for (int i = 0; i < 10; i++)
		calls[i].from = "c";
	close(far[10]);
	calls[10].from = "c";
	batch_send(batch, calls, 11);
	assert_int_equal(calls[10].result, -EPIPE);
	far[10] = -1;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(calls[i].result, 1);
		assert_int_equal(recv(far[i], bytes[i], 32, MSG_DONTWAIT), 1);
		assert_int_equal(bytes[i][0], 'c');
	}
}

static void
the_ring_can_do_nothing_else(void **state)
{
	static const int allowed[] = {IORING_OP_RECV, IORING_OP_SEND};

	(void)state;
	need_ring();
	for (int operation = 0; operation < IORING_OP_LAST; operation++) {
		struct io_uring_sqe *sqe;
		struct io_uring_cqe *cqe;

		if (operation == allowed[0] || operation == allowed[1])
			continue;
		sqe = io_uring_get_sqe(ring);
		io_uring_prep_rw(operation, sqe, -1, NULL, 0, 0);
		io_uring_submit(ring);
		assert_int_equal(io_uring_wait_cqe(ring, &cqe), 0);
		assert_int_equal(cqe->res, -EACCES);
		io_uring_cqe_seen(ring, cqe);
	}
}

static void
where_it_is_forbidden_there_is_none(void **state)
{
	(void)state;
	set_up_error = EPERM;
	errno = 0;
	assert_null(batch_new());
	assert_int_equal(errno, EPERM);
	set_up_error = 0;
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define TEST_REFUSING(test, after)                                                                 \
	cmocka_unit_test_prestate_setup_teardown(test, set_up, tear_down, (void *)(size_t)(after))
	const struct CMUnitTest tests[] = {
	        TEST(each_call_has_its_own_answer),
	        TEST(sends_do_not_wait_and_raise_nothing),
	        TEST(thousands_of_calls),
	        TEST_REFUSING(what_the_kernel_does_not_take_is_done_one_by_one, 0),
	        TEST_REFUSING(what_the_kernel_does_not_take_is_done_one_by_one, 4),
	        TEST(the_ring_can_do_nothing_else),
	        TEST(where_it_is_forbidden_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
