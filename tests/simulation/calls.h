/*
 * The system calls of the daemon and of libev, answered by the model: the linker's --wrap leads
 * them here.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WRAP(type, name, ...)                                                                      \
	type __wrap_##name(__VA_ARGS__);                                                           \
	type __wrap_##name(__VA_ARGS__)

/* A result as system calls give it: errno is set for a negative one. */
static inline long
answer(long result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

/* From here to calls_end() calls are the model's, with so many descriptors permitted. */
void calls_begin(uint32_t files);
void calls_end(void);

/* False for system calls of other code in this process: gcov's runtime is linked in, too. */
bool calls_simulated(void);

/* Whether a program starts: memory may be asked for. */
bool calls_starting(void);

/* The program executes itself: goes on in daemon_run(). Signals that are pending stay so. */
void calls_execute(void);

/* write(2), mmap(2) and munmap(2) of the state. */
ssize_t calls_write_state(const void *bytes, size_t size);
void *calls_map_state(int fd, size_t length);
bool calls_unmap_state(const void *memory);

/* close(2) of what has FD_CLOEXEC. */
void calls_close_on_exec(void);

/* execve(2) has succeeded: goes on where the program began. Defined by daemon.c and million.c. */
_Noreturn void calls_on_execute(void);

/* A signal is sent to the daemon. */
void calls_signal(int number);

/* A new socket becomes what its type says. */
void calls_settle(int fd, int family, int type, bool handed_over);

/* accept4(2) on the stats socket: first the descriptor, then the client, so that none is lost. */
int calls_accept_stats(int fd, int flags);
