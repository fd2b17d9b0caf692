#include "echod/batch.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#define NO_ANSWER PTRDIFF_MAX

struct batch {
	struct io_uring ring;
	bool broken;
};

static int
restrict_ring(const struct io_uring *ring)
{
	struct io_uring_restriction allowed[] = {
	        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_RECV},
	        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_SEND},
	};
	unsigned fd = (unsigned)ring->ring_fd, n = sizeof(allowed) / sizeof(allowed[0]);
	/* liburing 2.3 declares wrappers for these and does not export them */
	int error = io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, allowed, n);

	if (error < 0)
		return error;
	return io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

struct batch *
batch_new(void)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
	                                          IORING_SETUP_DEFER_TASKRUN |
	                                          IORING_SETUP_R_DISABLED};
	struct batch *batch = calloc(1, sizeof(*batch));
	int error;

	if (!batch)
		return NULL;
	error = io_uring_queue_init_params(BATCH_MOST, &batch->ring, &params);
	if (error < 0) {
		free(batch);
		errno = -error;
		return NULL;
	}
	error = restrict_ring(&batch->ring);
	if (error < 0) {
		batch_free(batch);
		errno = -error;
		return NULL;
	}
	return batch;
}

void
batch_free(struct batch *batch)
{
	if (!batch)
		return;
	if (!batch->broken)
		io_uring_queue_exit(&batch->ring);
	free(batch);
}

/*
 * Submits what is prepared and takes the answers in. MSG_DONTWAIT makes each of them end while it
 * is submitted, so all are there. A submission that fails (ENOMEM) is the ring's last: what is left
 * in it would otherwise go out with the next.
 */
static void
submit(struct batch *batch, struct batch_call *calls, unsigned n)
{
	struct io_uring_cqe *cqe;
	unsigned head, answers = 0;

	io_uring_submit_and_wait(&batch->ring, n);
	io_uring_for_each_cqe(&batch->ring, head, cqe)
	{
		calls[cqe->user_data].result = cqe->res;
		answers++;
	}
	io_uring_cq_advance(&batch->ring, answers);
	if (answers == n)
		return;
	io_uring_queue_exit(&batch->ring);
	batch->broken = true;
}

/* recv(2) and send(2) themselves, for what the ring has not answered. */
static ssize_t
receive_alone(const struct batch_call *call)
{
	return recv(call->fd, call->into, call->length, MSG_DONTWAIT);
}

static ssize_t
send_alone(const struct batch_call *call)
{
	return send(call->fd, call->from, call->length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
finish(struct batch *batch, struct batch_call *calls, unsigned n,
        ssize_t (*alone)(const struct batch_call *))
{
	if (!batch->broken)
		submit(batch, calls, n);
	for (unsigned i = 0; i < n; i++) {
		if (calls[i].result == NO_ANSWER) {
			calls[i].result = alone(&calls[i]);
			if (calls[i].result < 0)
				calls[i].result = -errno;
		}
		if (calls[i].result == -EINTR)
			calls[i].result = -EAGAIN;
	}
}

/* Returns NULL when the call has to be made alone. */
static struct io_uring_sqe *
request(struct batch *batch, struct batch_call *calls, unsigned i)
{
	struct io_uring_sqe *sqe = batch->broken ? NULL : io_uring_get_sqe(&batch->ring);

	calls[i].result = NO_ANSWER;
	return sqe;
}

void
batch_receive(struct batch *batch, struct batch_call *calls, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = request(batch, calls, i);

		if (!sqe)
			continue;
		io_uring_prep_recv(sqe, calls[i].fd, calls[i].into, calls[i].length, MSG_DONTWAIT);
		sqe->user_data = i;
	}
	finish(batch, calls, n, receive_alone);
}

void
batch_send(struct batch *batch, struct batch_call *calls, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = request(batch, calls, i);

		if (!sqe)
			continue;
		io_uring_prep_send(sqe, calls[i].fd, calls[i].from, calls[i].length,
		        MSG_DONTWAIT | MSG_NOSIGNAL);
		sqe->user_data = i;
	}
	finish(batch, calls, n, send_alone);
}
