#include "test.h"

#include "echod/listener.h"
#include "echod/loop.h"
#include "echod/stats_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	MOST_CLIENTS = 64,
};

/* A call that fails; its errno, how many succeed before and how many fail then. */
struct failure {
	int error;
	unsigned after, times;
};

static struct failure no_memory, no_socket, no_bind, no_listen, no_accept, no_watch, no_unlink;
static char directory[] = "/tmp/echod-stats-XXXXXX", path[64];
static struct stats stats;
static unsigned reads;
static struct listener own;

static bool
fails(struct failure *failure)
{
	if (failure->times == 0)
		return false;
	if (failure->after > 0) {
		failure->after--;
		return false;
	}
	failure->times--;
	errno = failure->error;
	return true;
}

#define WRAP(type, name, failure, nothing, parameters, arguments)                                  \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		return fails(&(failure)) ? (nothing) : __real_##name arguments;                    \
	}

WRAP(void *, calloc, no_memory, NULL, (size_t count, size_t size), (count, size))
WRAP(int, socket, no_socket, -1, (int family, int type, int protocol), (family, type, protocol))
WRAP(int, bind, no_bind, -1, (int fd, const struct sockaddr *address, socklen_t length),
        (fd, address, length))
WRAP(int, listen, no_listen, -1, (int fd, int backlog), (fd, backlog))
WRAP(int, accept4, no_accept, -1, (int fd, struct sockaddr *address, socklen_t *length, int flags),
        (fd, address, length, flags))
WRAP(int, epoll_ctl, no_watch, -1, (int epoll_fd, int operation, int fd, struct epoll_event *event),
        (epoll_fd, operation, fd, event))
WRAP(int, unlink, no_unlink, -1, (const char *name), (name))

static void
on_read(void *owner)
{
	assert_ptr_equal(owner, &reads);
	stats.rings_lent = ++reads;
}

static struct stats_socket *
make(struct ev_loop *loop, int listen_fd)
{
	const struct stats_socket_config config = {
	        .loop = loop,
	        .listen_fd = listen_fd,
	        .stats = &stats,
	        .on_read = on_read,
	        .owner = &reads,
	};

	return stats_socket_new(&config);
}

/* Our own, at the path. */
static struct stats_socket *
make_own(struct ev_loop *loop)
{
	int error = listener_open_stats(&own, path);
	struct stats_socket *socket = NULL;

	if (error)
		errno = -error;
	else if (!(socket = make(loop, own.listen_fd)))
		listener_close(&own);
	return socket;
}

static void
free_own(struct stats_socket *socket)
{
	stats_socket_free(socket);
	listener_close(&own);
}

static int
local(int type, bool bound)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = __real_socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	if (bound)
		assert_int_equal(
		        __real_bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	else
		assert_int_equal(
		        connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int
client(void)
{
	return local(SOCK_STREAM, false);
}

/* What a client is sent up to end of file; -EAGAIN when the end has not come. */
static ssize_t
read_all(int fd, char text[STATS_EXPOSITION_SIZE])
{
	ssize_t length = 0, part;

	while ((part = read(fd, text + length, (size_t)(STATS_EXPOSITION_SIZE - length))) > 0)
		length += part;
	return part < 0 ? -errno : length;
}

static bool
is_served(int fd)
{
	char text[STATS_EXPOSITION_SIZE + 1], expected[STATS_EXPOSITION_SIZE];
	ssize_t length = read_all(fd, text);

	if (length < 0)
		return false;
	stats_exposition(&stats, expected);
	assert_int_equal(length, strlen(expected));
	assert_memory_equal(text, expected, (size_t)length);
	close(fd);
	return true;
}

static bool
exists(void)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

static int
begin(void **state)
{
	no_memory = no_socket = no_bind = no_listen = no_accept = no_watch = no_unlink =
	        (struct failure){0};
	stats = (struct stats){.tcp_open = 7};
	reads = 0;
	__real_unlink(path);
	*state = loop_new();
	return 0;
}

static int
end(void **state)
{
	ev_loop_destroy(*state);
	return 0;
}

static void
eight_clients_an_iteration(void **state)
{
	struct ev_loop *loop = *state;
	struct stats_socket *socket = make_own(loop);
	int clients[MOST_CLIENTS], served = 0;

	assert_non_null(socket);
	for (int i = 0; i < 20; i++)
		clients[i] = client();
	for (int iteration = 1; iteration <= 3; iteration++) {
		ev_run(loop, EVRUN_NOWAIT);
		assert_int_equal(reads, iteration);
		while (served < 20 && is_served(clients[served]))
			served++;
		assert_int_equal(served, iteration < 3 ? 8 * iteration : 20);
	}
	free_own(socket);
	assert_false(exists());
}

static void
clients_that_have_gone_or_that_speak(void **state)
{
	struct stats_socket *socket = make_own(*state);
	int gone = client(), speaks = client(), other = client();

	close(gone);
	assert_int_equal(send(speaks, "GET / HTTP/1.1\r\n", 16, MSG_NOSIGNAL), 16);
	ev_run(*state, EVRUN_NOWAIT);
	assert_true(is_served(other));
	close(speaks);
	free_own(socket);
}

static void
any_user_may_connect(void **state)
{
	const mode_t before = umask(0077);
	struct stats_socket *socket = make_own(*state);
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0666);
	assert_int_equal(umask(before), 0077);
	free_own(socket);
}

/* Without descriptors the clients wait; nothing spins. */
static void
a_failing_accept_pauses(void **state)
{
	struct ev_loop *loop = *state;
	struct stats_socket *socket = make_own(loop);
	int waits = client();

	no_accept = (struct failure){EMFILE, .times = 1};
	ev_run(loop, EVRUN_NOWAIT);
	for (int i = 0; i < 3; i++)
		ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(reads, 1);
	assert_false(is_served(waits));
	while (reads == 1)
		ev_run(loop, EVRUN_ONCE);
	assert_true(is_served(waits));
	free_own(socket);
}

static void
epoll_is_asked_again(void **state)
{
	struct ev_loop *loop = *state;
	struct stats_socket *socket;
	int waits;

	no_watch = (struct failure){ENOMEM, .times = 1};
	socket = make_own(loop);
	assert_non_null(socket);
	waits = client();
	while (reads == 0)
		ev_run(loop, EVRUN_ONCE);
	assert_true(is_served(waits));
	free_own(socket);
}

static void
a_socket_handed_over_stays(void **state)
{
	int listen_fd = local(SOCK_STREAM, true), waits;
	struct stats_socket *socket;

	assert_int_equal(__real_listen(listen_fd, 5), 0);
	socket = make(*state, listen_fd);
	waits = client();
	ev_run(*state, EVRUN_NOWAIT);
	assert_true(is_served(waits));
	stats_socket_free(socket);
	assert_true(exists());
	assert_true(fcntl(listen_fd, F_GETFD) >= 0);
	close(listen_fd);
	stats_socket_free(NULL);
}

static void
a_stale_file_is_replaced(void **state)
{
	struct stats_socket *socket;
	int waits;

	close(local(SOCK_STREAM, true));
	assert_true(exists());
	socket = make_own(*state);
	assert_non_null(socket);
	waits = client();
	ev_run(*state, EVRUN_NOWAIT);
	assert_true(is_served(waits));
	free_own(socket);
	assert_false(exists());
}

static void
expect_refusal(struct ev_loop *loop, int error)
{
	errno = 0;
	assert_null(make_own(loop));
	assert_int_equal(errno, error);
}

static void
other_files_are_left_alone(void **state)
{
	struct stats_socket *socket;
	int other = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600), waits;

	expect_refusal(*state, EADDRINUSE);
	assert_true(exists());
	close(other);
	__real_unlink(path);

	/* of another type: connect(2) says EPROTOTYPE */
	other = local(SOCK_DGRAM, true);
	expect_refusal(*state, EADDRINUSE);
	assert_true(exists());
	close(other);
	__real_unlink(path);

	/* in use */
	socket = make_own(*state);
	expect_refusal(*state, EADDRINUSE);
	waits = client();
	ev_run(*state, EVRUN_NOWAIT);
	assert_true(is_served(waits));
	free_own(socket);

	/* gone before it can be looked at */
	no_bind = (struct failure){EADDRINUSE, .times = 1};
	expect_refusal(*state, EADDRINUSE);
}

static void
failures_are_told(void **state)
{
	static const struct {
		struct failure *failure;
		struct failure how;
		bool stale;
	} samples[] = {
	        {&no_memory, {ENOMEM, .times = 1}, false},
	        {&no_socket, {ENFILE, .times = 1}, false},
	        {&no_bind, {EACCES, .times = 1}, false},
	        {&no_bind, {EROFS, .after = 1, .times = 1}, true},
	        {&no_listen, {ENOBUFS, .times = 1}, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		if (samples[i].stale)
			close(local(SOCK_STREAM, true));
		*samples[i].failure = samples[i].how;
		expect_refusal(*state, samples[i].how.error);
		assert_int_equal(samples[i].failure->times, 0);
		assert_false(exists());
	}
	close(local(SOCK_STREAM, true));
	no_unlink = (struct failure){EROFS, .times = 1};
	expect_refusal(*state, EADDRINUSE);
	assert_true(exists());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(eight_clients_an_iteration, begin, end),
	        cmocka_unit_test_setup_teardown(clients_that_have_gone_or_that_speak, begin, end),
	        cmocka_unit_test_setup_teardown(any_user_may_connect, begin, end),
	        cmocka_unit_test_setup_teardown(a_failing_accept_pauses, begin, end),
	        cmocka_unit_test_setup_teardown(epoll_is_asked_again, begin, end),
	        cmocka_unit_test_setup_teardown(a_socket_handed_over_stays, begin, end),
	        cmocka_unit_test_setup_teardown(a_stale_file_is_replaced, begin, end),
	        cmocka_unit_test_setup_teardown(other_files_are_left_alone, begin, end),
	        cmocka_unit_test_setup_teardown(failures_are_told, begin, end),
	};
	int failed;

	if (!mkdtemp(directory))
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/stats", directory);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(directory);
	return failed;
}
