/*
 * Many non-blocking receives or sends in one system call (io_uring(7)). Nothing is under way when a
 * call has returned.
 *
 * The ring can receive from sockets and send to them, and nothing else (io_uring_register(2),
 * IORING_REGISTER_RESTRICTIONS).
 */
#ifndef ECHOD_BATCH_H
#define ECHOD_BATCH_H

#include <stddef.h>
#include <sys/types.h>

#define BATCH_MOST 256

struct batch;

/* One recv(2) or send(2), and how it ended: bytes or a negative errno. */
struct batch_call {
	void *owner; /* the caller's, left alone */
	int fd;
	union {
		void *into;
		const void *from;
	};
	size_t length; /* bytes */
	ssize_t result;
};

/* Returns NULL and sets errno where the kernel does not permit it (ENOSYS, EPERM, EINVAL before
 * Linux 6.1, ENOMEM), or when the program was built without liburing (ENOSYS). */
struct batch *batch_new(void);
void batch_free(struct batch *batch);

/* Make these calls, at most BATCH_MOST. None waits, none raises SIGPIPE. Should the kernel refuse
 * (ENOMEM), they are made one by one. */
void batch_receive(struct batch *batch, struct batch_call *calls, unsigned n);
void batch_send(struct batch *batch, struct batch_call *calls, unsigned n);

#endif
