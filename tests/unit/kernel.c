#include "kernel.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct kernel kernel;
static size_t pattern; /* bytes that the peer has sent */

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *buffer, size_t size, int flags);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int __wrap_shutdown(int fd, int how);
int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);

static unsigned char
pattern_at(size_t index)
{
	return (unsigned char)(index * 7 + index / 251);
}

void
kernel_reset(void)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.window = KERNEL_QUEUE;
	kernel.acked = UINT64_MAX;
	pattern = 0;
}

void
kernel_peer_sends(size_t length)
{
	for (size_t i = 0; i < length; i++)
		kernel.queue[kernel.queued++] = pattern_at(pattern++);
}

bool
kernel_echoed_exactly(size_t length)
{
	if (kernel.taken != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (kernel.echoed[i] != pattern_at(i))
			return false;
	return true;
}

static int
fail(int error)
{
	errno = error;
	return -1;
}

static bool
interrupted(void)
{
	return kernel.interrupts > 0 && kernel.interrupts--;
}

ssize_t
__wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	(void)fd;
	kernel.receives++;
	if (!(flags & MSG_DONTWAIT))
		return fail(EDOM); /* it would block: the test fails */
	if (interrupted())
		return fail(EINTR);
	if (kernel.receive_error)
		return fail(kernel.receive_error);
	if (flags & MSG_TRUNC && (kernel.take_error || kernel.lost))
		return kernel.lost ? 0 : fail(kernel.take_error);
	if (kernel.queued == 0)
		return kernel.finished ? 0 : fail(EAGAIN);
	if (size > kernel.queued)
		size = kernel.queued;
	if (kernel.most_at_once && size > kernel.most_at_once)
		size = kernel.most_at_once;
	if (flags & MSG_TRUNC)
		memset(buffer, 0xee, size); /* a family that copies nevertheless */
	else
		memcpy(buffer, kernel.queue, size);
	if (!(flags & MSG_PEEK)) {
		kernel.queued -= size;
		memmove(kernel.queue, kernel.queue + size, kernel.queued);
	}
	return (ssize_t)size;
}

ssize_t
__wrap_send(int fd, const void *buffer, size_t size, int flags)
{
	(void)fd;
	kernel.sends++;
	if (!(flags & MSG_DONTWAIT) || !(flags & MSG_NOSIGNAL))
		return fail(EDOM);
	if (interrupted())
		return fail(EINTR);
	if (kernel.send_error)
		return fail(kernel.send_error);
	if (kernel.window == 0)
		return fail(EAGAIN);
	if (size > kernel.window)
		size = kernel.window;
	kernel.window -= size;
	memcpy(kernel.echoed + kernel.taken, buffer, size);
	kernel.taken += size;
	return (ssize_t)size;
}

int
__wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	(void)fd;
	(void)value;
	(void)length;
	if (level == SOL_SOCKET && name == SO_LINGER)
		kernel.aborted = true;
	return 0;
}

int
__wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	struct tcp_info *info = value;

	(void)fd;
	if (level == SOL_SOCKET && name == SO_ERROR && *length == sizeof(int)) {
		*(int *)value = kernel.death;
		return 0;
	}
	if (level != IPPROTO_TCP || name != TCP_INFO || *length < sizeof(*info))
		return fail(EDOM);
	kernel.asked++;
	info->tcpi_bytes_acked = kernel.acked;
	info->tcpi_state = kernel.death ? 7 : 8; /* TCP_CLOSE, TCP_CLOSE_WAIT */
	return 0;
}

int
__wrap_shutdown(int fd, int how)
{
	(void)fd;
	if (how != SHUT_WR)
		return fail(EDOM);
	kernel.shut = true;
	return 0;
}

int
__wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	kernel.controls++;
	return __real_epoll_ctl(epoll_fd, operation, fd, event);
}
