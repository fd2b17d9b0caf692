#include "sockets.h"

#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct sockets sockets;

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static int
refuse(int error)
{
	errno = error;
	return -1;
}

static bool
is_time_to_fail(void)
{
	return sockets.calls_before_failure-- == 0;
}

int
__wrap_socket(int family, int type, int protocol)
{
	if (is_time_to_fail())
		return refuse(ENFILE);
	if (family == AF_INET6 && sockets.family_error)
		return refuse(sockets.family_error);
	return __real_socket(family, type, protocol);
}

int
__wrap_bind(int fd, const struct sockaddr *address, socklen_t length)
{
	struct address to = {.length = length};

	memcpy(&to.storage, address, length);
	sockets.binds++;
	sockets.free_binds += address_port(&to) == 0;
	if (is_time_to_fail())
		return refuse(ENFILE);
	if (sockets.bind_errors > 0 &&
	        sockets_option(fd, SOL_SOCKET, SO_TYPE) == sockets.bind_error_type) {
		sockets.bind_errors--;
		return refuse(sockets.bind_error);
	}
	return __real_bind(fd, address, length);
}

int
__wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	if (sockets.unprivileged && level == SOL_SOCKET &&
	        (name == SO_RCVBUFFORCE || name == SO_SNDBUFFORCE))
		return refuse(EPERM);
	if (sockets.refused_option && level == IPPROTO_IP && name == sockets.refused_option)
		return refuse(ENOPROTOOPT);
	return __real_setsockopt(fd, level, name, value, length);
}

int
__wrap_fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return command == sockets.refused_command ? refuse(EPERM)
	                                          : __real_fcntl(fd, command, argument);
}

void *
__wrap_realloc(void *memory, size_t size)
{
	if (!is_time_to_fail())
		return __real_realloc(memory, size);
	errno = ENOMEM;
	return NULL;
}

void
sockets_reset(void)
{
	sockets = (struct sockets){.calls_before_failure = SIZE_MAX, .refused_command = -1};
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
}

int
sockets_setup(void **state)
{
	(void)state;
	sockets_reset();
	return 0;
}

int
sockets_listen(struct listening *listening, const char *const *arguments)
{
	size_t failing_call = sockets.calls_before_failure;
	char *argv[16];
	int argc = 0;

	*listening = (struct listening){0};
	for (; arguments[argc]; argc++) {
		assert_true(argc < 15);
		argv[argc] = (char *)(uintptr_t)arguments[argc];
	}
	argv[argc] = NULL;
	sockets.calls_before_failure = SIZE_MAX; /* the command line's part is not the test's */
	assert_int_equal(options_read(&listening->options, argc, argv, listening->problem,
	                         sizeof(listening->problem)),
	        OPTIONS_READ);
	sockets.calls_before_failure = failing_call;
	return listeners_open(&listening->listeners, &listening->options, listening->problem,
	        sizeof(listening->problem));
}

void
sockets_end(struct listening *listening)
{
	listeners_close(&listening->listeners, NULL);
	assert_int_equal(listening->listeners.count, 0);
	options_free(&listening->options);
}

int
sockets_option(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

size_t
sockets_open(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count - 3; /* . and .. and the directory itself */
}

int
sockets_bound(int family, int type, struct address *address)
{
	int fd = __real_socket(family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(address_parse(family == AF_INET ? "127.0.0.1" : "::1", address, NULL), 0);
	assert_int_equal(__real_bind(fd, &address->any, address->length), 0);
	assert_int_equal(getsockname(fd, &address->any, &address->length), 0);
	return fd;
}

int
sockets_connect(const struct listener *listener, const char *address)
{
	struct address to;
	int peer_fd, fd;

	assert_int_equal(address_parse(address, &to, NULL), 0);
	address_set_port(&to, address_port(&listener->address));
	peer_fd = __real_socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(peer_fd, &to.any, to.length), 0);
	fd = accept4(listener->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0); /* loopback: connected is in the backlog */
	close(peer_fd);
	return fd;
}
