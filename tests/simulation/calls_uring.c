/*
 * io_uring(7) as the daemon uses it through liburing: receives and sends that end while they are
 * submitted.
 */
#include "calls.h"
#include "faults.h"
#include "files.h"
#include "oracle.h"
#include "random.h"
#include "scenario.h"
#include "stream.h"
#include "trace.h"

#include <liburing.h>
#include <string.h>

enum {
	ENTRIES_MOST = 256,
};

/* The memory that the kernel shares with the process. There is one ring at most. */
static struct {
	struct io_uring_sqe sqes[ENTRIES_MOST];
	/* of struct io_uring_cqe, which may not be an element of an array */
	_Alignas(struct io_uring_cqe) char cqes[2 * ENTRIES_MOST * sizeof(struct io_uring_cqe)];
	unsigned submit_head, answer_head, answer_tail;
	bool restricted, enabled;
} shared;

WRAP(int, io_uring_queue_init_params, unsigned entries, struct io_uring *ring,
        struct io_uring_params *params)
{
	int fd = -fault(CALL_URING_SETUP);

	expect(entries <= ENTRIES_MOST && (entries & (entries - 1)) == 0, "%u entries", entries);
	expect(params->flags & IORING_SETUP_R_DISABLED, "a ring without restrictions");
	if (fd == 0)
		fd = files_open(FILE_URING);
	trace("uring", entries, params->flags, fd);
	if (fd < 0)
		return fd;
	memset(&shared, 0, sizeof(shared));
	memset(ring, 0, sizeof(*ring));
	ring->ring_fd = fd;
	ring->flags = params->flags;
	ring->sq.sqes = shared.sqes;
	ring->sq.khead = &shared.submit_head;
	ring->sq.ring_entries = entries;
	ring->sq.ring_mask = entries - 1;
	ring->cq.cqes = (struct io_uring_cqe *)shared.cqes;
	ring->cq.khead = &shared.answer_head;
	ring->cq.ktail = &shared.answer_tail;
	ring->cq.ring_entries = 2 * entries;
	ring->cq.ring_mask = 2 * entries - 1;
	return 0;
}

WRAP(void, io_uring_queue_exit, struct io_uring *ring)
{
	files_get(ring->ring_fd, FILE_URING, "io_uring_queue_exit");
	files_close(ring->ring_fd);
	trace("uring exit", ring->ring_fd, 0, 0);
}

WRAP(int, io_uring_register, unsigned fd, unsigned opcode, const void *argument, unsigned n)
{
	int error = -fault(CALL_URING_REGISTER);

	(void)argument;
	files_get((int)fd, FILE_URING, "io_uring_register");
	if (error == 0) {
		shared.restricted |= opcode == IORING_REGISTER_RESTRICTIONS;
		shared.enabled |= opcode == IORING_REGISTER_ENABLE_RINGS;
	}
	trace("register", opcode, n, error);
	return error;
}

static ssize_t
perform(const struct io_uring_sqe *sqe)
{
	struct stream *stream = files_get(sqe->fd, FILE_STREAM, "io_uring")->stream;
	void *memory = (void *)(uintptr_t)sqe->addr;
	bool receives = sqe->opcode == IORING_OP_RECV;
	ssize_t result;

	expect(receives || sqe->opcode == IORING_OP_SEND, "io_uring: opcode %d", sqe->opcode);
	expect(!stream->refused, "io_uring on a connection that is to be refused");
	result = receives ? stream_receive(stream, memory, sqe->len, (int)sqe->msg_flags)
	                  : stream_send(stream, memory, sqe->len, (int)sqe->msg_flags);
	if (result > 0)
		oracle_on_activity();
	trace(receives ? "recv in batch" : "send in batch", sqe->fd, sqe->len, result);
	return result;
}

WRAP(int, io_uring_submit_and_wait, struct io_uring *ring, unsigned wait)
{
	unsigned n = ring->sq.sqe_tail - shared.submit_head, submitted;
	int error = -fault(CALL_SUBMIT);

	files_get(ring->ring_fd, FILE_URING, "io_uring_enter");
	expect(shared.restricted && shared.enabled, "a ring that may do anything");
	expect(n > 0 && wait <= n, "io_uring_enter of %u requests waits for %u", n, wait);
	scenario_interlude();
	trace("submit", n, wait, error);
	if (error)
		return error;
	submitted = random_one_in(scenario_now()->hard) ? (unsigned)random_below(n) + 1 : n;
	for (unsigned i = 0; i < submitted; i++) {
		const struct io_uring_sqe *sqe =
		        &shared.sqes[shared.submit_head++ & ring->sq.ring_mask];

		struct io_uring_cqe *cqe =
		        &ring->cq.cqes[shared.answer_tail++ & ring->cq.ring_mask];

		cqe->user_data = sqe->user_data;
		cqe->res = (int)perform(sqe);
	}
	oracle_on_progress();
	return (int)submitted;
}
