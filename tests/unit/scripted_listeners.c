#include "scripted_listeners.h"

#include "fake_clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct scripted_listeners scripted;

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int timeout_ms);
int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int timeout_ms);
int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
ssize_t __real_write(int fd, const void *buffer, size_t size);
ssize_t __wrap_write(int fd, const void *buffer, size_t size);

void
scripted_open(size_t count)
{
	scripted = (struct scripted_listeners){.count = count,
	        .peer = {.length = sizeof(struct sockaddr_in),
	                .in4 = {.sin_family = AF_INET, .sin_addr = {.s_addr = 0x0100007f}}}};
	for (size_t i = 0; i < count; i++)
		scripted.listeners[i] = (struct listener){
		        .listen_fd = eventfd(0, EFD_NONBLOCK), .type = SOCK_STREAM};
}

void
scripted_close(void)
{
	for (size_t i = 0; i < scripted.count; i++)
		listener_close(&scripted.listeners[i]);
}

void
scripted_arrive(size_t listener, size_t newcomers)
{
	scripted.waiting[listener] += newcomers;
	eventfd_write(scripted.listeners[listener].listen_fd, 1);
}

size_t
scripted_accepted(void)
{
	size_t sum = 0;

	for (size_t i = 0; i < scripted.count; i++)
		sum += scripted.accepted[i];
	return sum;
}

size_t
scripted_logged(const char *text)
{
	size_t times = 0;

	for (const char *at = scripted.log; (at = strstr(at, text)); at++)
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
	size_t listener = 0;

	scripted.calls++;
	while (listener < scripted.count && scripted.listeners[listener].listen_fd != fd)
		listener++;
	if (listener == scripted.count || flags != SOCK_NONBLOCK || *length < scripted.peer.length)
		return fail(EDOM); /* no errno of accept(2): the test fails */
	if (scripted.errors > 0) {
		scripted.errors--;
		fake_clock_ns += scripted.error_takes_ns;
		return fail(scripted.error);
	}
	if (scripted.waiting[listener] == 0)
		return fail(EAGAIN);
	if (--scripted.waiting[listener] == 0)
		eventfd_read(fd, &drained);
	scripted.accepted[listener]++;
	memcpy(address, &scripted.peer.any, scripted.peer.length);
	*length = scripted.peer.length;
	scripted.last_fd = eventfd(0, EFD_NONBLOCK);
	return scripted.last_fd;
}

int
__wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	const struct linger *linger = value;
	const int *flag = value;

	scripted.inlined += fd == scripted.last_fd && level == SOL_SOCKET && name == SO_OOBINLINE &&
	                    length == sizeof(*flag) && *flag;
	scripted.aborts += fd == scripted.last_fd && level == SOL_SOCKET && name == SO_LINGER &&
	                   length == sizeof(*linger) && linger->l_onoff && linger->l_linger == 0;
	return 0;
}

int
__wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	if (scripted.refused_watches > 0) {
		scripted.refused_watches--;
		return fail(ENOMEM);
	}
	return __real_epoll_ctl(epoll_fd, operation, fd, event);
}

int
__wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int timeout_ms)
{
	scripted.wait_ms = timeout_ms;
	return __real_epoll_wait(epoll_fd, events, most, 0);
}

ssize_t
__wrap_write(int fd, const void *buffer, size_t size)
{
	if (fd != STDERR_FILENO)
		return __real_write(fd, buffer, size);
	if (size > SCRIPTED_LOG - 1 - scripted.log_length)
		return fail(ENOSPC);
	memcpy(scripted.log + scripted.log_length, buffer, size);
	scripted.log_length += size;
	scripted.log[scripted.log_length] = '\0';
	return (ssize_t)size;
}
