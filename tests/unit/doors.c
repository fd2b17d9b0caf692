#include "doors.h"

#include "fake_clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct doors doors;

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int timeout_ms);
int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int timeout_ms);
int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
ssize_t __real_write(int fd, const void *buffer, size_t size);
ssize_t __wrap_write(int fd, const void *buffer, size_t size);

void
doors_open(size_t count)
{
	doors = (struct doors){.count = count,
	        .peer = {.length = sizeof(struct sockaddr_in),
	                .in4 = {.sin_family = AF_INET, .sin_addr = {.s_addr = 0x0100007f}}}};
	for (size_t i = 0; i < count; i++)
		doors.listeners[i] = (struct listener){
		        .listen_fd = eventfd(0, EFD_NONBLOCK), .type = SOCK_STREAM};
}

void
doors_close(void)
{
	for (size_t i = 0; i < doors.count; i++)
		listener_close(&doors.listeners[i]);
}

void
doors_arrive(size_t door, size_t newcomers)
{
	doors.waiting[door] += newcomers;
	eventfd_write(doors.listeners[door].listen_fd, 1);
}

size_t
doors_accepted(void)
{
	size_t sum = 0;

	for (size_t i = 0; i < doors.count; i++)
		sum += doors.accepted[i];
	return sum;
}

size_t
doors_logged(const char *text)
{
	size_t times = 0;

	for (const char *at = doors.log; (at = strstr(at, text)); at++)
		times++;
	return times;
}

static int
fail(int error)
{
	errno = error;
	return -1;
}

int
__wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	eventfd_t drained;
	size_t door = 0;

	doors.calls++;
	while (door < doors.count && doors.listeners[door].listen_fd != fd)
		door++;
	if (door == doors.count || flags != (SOCK_NONBLOCK | SOCK_CLOEXEC) ||
	        *length < doors.peer.length)
		return fail(EDOM); /* no errno of accept(2): the test fails */
	if (doors.errors > 0) {
		doors.errors--;
		fake_clock_ns += doors.error_takes_ns;
		return fail(doors.error);
	}
	if (doors.waiting[door] == 0)
		return fail(EAGAIN);
	if (--doors.waiting[door] == 0)
		eventfd_read(fd, &drained);
	doors.accepted[door]++;
	memcpy(address, &doors.peer.any, doors.peer.length);
	*length = doors.peer.length;
	doors.last_fd = eventfd(0, EFD_NONBLOCK);
	return doors.last_fd;
}

int
__wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	const struct linger *linger = value;
	const int *flag = value;

	doors.inlined += fd == doors.last_fd && level == SOL_SOCKET && name == SO_OOBINLINE &&
	                 length == sizeof(*flag) && *flag;
	doors.aborts += fd == doors.last_fd && level == SOL_SOCKET && name == SO_LINGER &&
	                length == sizeof(*linger) && linger->l_onoff && linger->l_linger == 0;
	return 0;
}

int
__wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	if (doors.refused_watches > 0) {
		doors.refused_watches--;
		return fail(ENOMEM);
	}
	return __real_epoll_ctl(epoll_fd, operation, fd, event);
}

int
__wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int timeout_ms)
{
	doors.wait_ms = timeout_ms;
	return __real_epoll_wait(epoll_fd, events, most, 0);
}

ssize_t
__wrap_write(int fd, const void *buffer, size_t size)
{
	if (fd != STDERR_FILENO)
		return __real_write(fd, buffer, size);
	if (size > DOORS_LOG - 1 - doors.log_length)
		return fail(ENOSPC);
	memcpy(doors.log + doors.log_length, buffer, size);
	doors.log_length += size;
	doors.log[doors.log_length] = '\0';
	return (ssize_t)size;
}
