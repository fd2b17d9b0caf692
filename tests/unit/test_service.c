#include "test.h"

#include "echod/common/clock.h"
#include "echod/service.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The service manager's end, and the daemon around the module. */
static struct fixture {
	struct ev_loop *loop;
	struct stats stats;
	struct service *service;
	int manager_fd;
	char path[64], message[512];
	int idle_calls;
	uint64_t idle_ns, iteration_ns; /* when it came, when the last iteration began */
} fixture;

static void
on_idle(void *owner)
{
	assert_ptr_equal(owner, &fixture);
	fixture.idle_calls++;
	fixture.idle_ns = clock_now_ns();
}

static void
start(uint64_t exit_idle_ms)
{
	const struct service_config config = {
	        .loop = fixture.loop,
	        .stats = &fixture.stats,
	        .exit_idle_ms = exit_idle_ms,
	        .on_idle = on_idle,
	        .owner = &fixture,
	};

	fixture.service = service_new(&config);
	assert_non_null(fixture.service);
}

/* The next message that has already been sent, or NULL. */
static const char *
sent(void)
{
	ssize_t length = recv(
	        fixture.manager_fd, fixture.message, sizeof(fixture.message) - 1, MSG_DONTWAIT);

	if (length < 0) {
		assert_int_equal(errno, EAGAIN);
		return NULL;
	}
	fixture.message[length] = '\0';
	return fixture.message;
}

/* Runs the loop until the next message. */
static const char *
next(void)
{
	const char *message = sent();

	while (!message) {
		fixture.iteration_ns = clock_now_ns();
		ev_run(fixture.loop, EVRUN_ONCE);
		message = sent();
	}
	return message;
}

static bool
starts(const char *message, const char *with)
{
	return message && strncmp(message, with, strlen(with)) == 0;
}

static int
set_up(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	alarm(30); /* seconds, for a test that has failed */
	memset(&fixture, 0, sizeof(fixture));
	snprintf(fixture.path, sizeof(fixture.path), "/tmp/echod-notify-XXXXXX");
	assert_non_null(mkdtemp(fixture.path));
	strcat(fixture.path, "/s");
	fixture.manager_fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	strcpy(address.sun_path, fixture.path);
	assert_int_equal(bind(fixture.manager_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", fixture.path, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	fixture.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	service_free(fixture.service);
	ev_loop_destroy(fixture.loop);
	close(fixture.manager_fd);
	unlink(fixture.path);
	*strrchr(fixture.path, '/') = '\0';
	rmdir(fixture.path);
	return 0;
}

static void
on_first_connection(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	(void)events;
	assert_null(sent());
	ev_io_stop(loop, watcher);
	*(bool *)watcher->data = true;
}

static void
ready_after_the_first_iteration(void **state)
{
	bool served = false;
	struct ev_io watcher;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	ev_io_init(&watcher, on_first_connection, pair[0], EV_READ);
	watcher.data = &served;
	ev_io_start(fixture.loop, &watcher);
	start(0);
	assert_null(sent());
	assert_string_equal(next(), "READY=1");
	assert_true(served);
	assert_string_equal(next(), "STATUS=0 connections, 0 bytes echoed, 0 datagrams refused");
	close(pair[0]);
	close(pair[1]);
}

static void
abstract_name(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[32];
	int length = snprintf(name, sizeof(name), "@echod-test-%d", getpid());

	(void)state;
	memcpy(address.sun_path + 1, name + 1, (size_t)length - 1);
	close(fixture.manager_fd);
	fixture.manager_fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(
	        bind(fixture.manager_fd, (struct sockaddr *)&address,
	                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)),
	        0);
	setenv("NOTIFY_SOCKET", name, 1);
	start(0);
	assert_string_equal(next(), "READY=1");
}

static void
on_late(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)events;
	/* in an iteration that is itself late, whatever was due earlier has gone first */
	assert_string_equal(sent(), "WATCHDOG=1");
	ev_timer_stop(loop, timer); /* it would be due again at once */
}

static void
watchdog_at_half_its_time(void **state)
{
	uint64_t started = clock_now_ns();
	struct ev_timer late;

	(void)state;
	ev_timer_init(&late, on_late, 0, 0.075);
	ev_set_priority(&late, EV_MINPRI);
	setenv("WATCHDOG_USEC", "100000", 1);
	start(0);
	assert_string_equal(next(), "READY=1");
	for (int i = 0; i < 5; i++) {
		ev_timer_again(fixture.loop, &late);
		assert_string_equal(next(), "WATCHDOG=1");
	}
	ev_timer_stop(fixture.loop, &late);
	/* a timer may be late, but never early */
	assert_true(clock_now_ns() - started >= 5 * 49 * NS_PER_MS);
}

static void
watchdog_at_the_file_limit(void **state)
{
	struct rlimit before, none;

	(void)state;
	setenv("WATCHDOG_USEC", "20000", 1);
	start(0);
	assert_string_equal(next(), "READY=1");
	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(dup(0), -1);
	assert_string_equal(next(), "WATCHDOG=1");
	setrlimit(RLIMIT_NOFILE, &before);
}

static void
on_load(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct stats *stats = timer->data;

	(void)loop;
	(void)events;
	stats->tcp_accepted++;
	stats->tcp_open++;
	stats->tcp_sent_bytes += 1000000;
}

static void
status_at_most_once_a_second(void **state)
{
	uint64_t first = 0;
	struct ev_timer load;
	char last[512] = "";

	(void)state;
	ev_timer_init(&load, on_load, 0.01, 0.01);
	load.data = &fixture.stats;
	ev_timer_start(fixture.loop, &load);
	start(0);
	assert_string_equal(next(), "READY=1");
	for (unsigned n = 0; n < 3; n++) {
		assert_true(starts(next(), "STATUS="));
		assert_string_not_equal(fixture.message, last);
		strcpy(last, fixture.message);
		first = n == 0 ? fixture.iteration_ns : first;
		assert_true(clock_now_ns() - first >= n * 990 * NS_PER_MS);
	}
	ev_timer_stop(fixture.loop, &load);
}

/* As if these had come in during an iteration with another cause. */
static void
iterate(uint64_t opened, uint64_t received)
{
	fixture.stats.tcp_accepted += opened;
	fixture.stats.tcp_open += opened;
	fixture.stats.udp_received += received;
	ev_run(fixture.loop, EVRUN_NOWAIT);
}

static void
status_only_when_changed(void **state)
{
	(void)state;
	start(0);
	assert_string_equal(next(), "READY=1");
	assert_true(starts(next(), "STATUS=0 connections"));
	iterate(0, 1); /* a datagram that was answered with nothing: the text is the same */
	ev_run(fixture.loop, EVRUN_ONCE);
	assert_null(sent());
	fixture.stats.udp_refused_port = 20;
	fixture.stats.udp_answered_bytes = 300000000;
	fixture.stats.tcp_sent_bytes = 1000000000;
	iterate(412, 20);
	assert_string_equal(next(), "STATUS=412 connections, 1.3 GB echoed, 20 datagrams refused");
}

static void
stopping(void **state)
{
	(void)state;
	start(0);
	fixture.stats.tcp_open = fixture.stats.tcp_accepted = 3;
	assert_string_equal(next(), "READY=1");
	assert_true(starts(next(), "STATUS=3 connections"));
	service_stopping(fixture.service, 7000);
	assert_string_equal(sent(),
	        "STOPPING=1\nSTATUS=Stopping: 3 connections to finish\nEXTEND_TIMEOUT_USEC=12000000");
	fixture.stats.tcp_open = 1;
	iterate(0, 0);
	assert_string_equal(
	        next(), "STATUS=Stopping: 1 connection, 0 bytes echoed, 0 datagrams refused");
}

static void
a_manager_that_does_not_listen(void **state)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	unsigned fillers = 0;

	(void)state;
	strcpy(address.sun_path, fixture.path);
	while (sendto(fd, "", 0, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof(address)) == 0)
		fillers++;
	assert_int_equal(errno, EAGAIN);
	start(0);
	for (int i = 0; i < 3; i++) /* does not wait: the alarm would end the test */
		ev_run(fixture.loop, EVRUN_ONCE);
	for (; fillers > 0; fillers--)
		assert_string_equal(sent(), "");
	assert_string_equal(next(), "READY=1");
	assert_true(starts(next(), "STATUS="));
	close(fd);
}

static void
without_a_manager(void **state)
{
	char too_long[200] = "";
	const char *const values[] = {NULL, "", "nonsense", "vsock:2:1234", too_long};

	(void)state;
	memset(too_long, '/', sizeof(too_long) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		unsetenv("NOTIFY_SOCKET");
		if (values[i])
			setenv("NOTIFY_SOCKET", values[i], 1);
		start(0);
		assert_false(ev_run(fixture.loop, 0)); /* nothing to wait for */
		service_stopping(fixture.service, 1000);
		service_free(fixture.service);
	}
	fixture.service = NULL;
	assert_null(sent());
}

static void
run_until_idle(void)
{
	while (fixture.idle_calls == 0)
		ev_run(fixture.loop, EVRUN_ONCE);
}

static void
idle_when_nothing_is_open_and_nothing_comes(void **state)
{
	uint64_t last;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	do { /* again, should the machine be too busy to be on time */
		service_free(fixture.service);
		fixture.idle_calls = 0;
		start(200);
		last = clock_now_ns();
		while (clock_now_ns() - last < 50 * NS_PER_MS)
			iterate(0, 0);
	} while (fixture.idle_calls > 0);
	last = clock_now_ns();
	iterate(0, 1); /* a datagram keeps it up */
	run_until_idle();
	assert_true(fixture.idle_ns - last >= 199 * NS_PER_MS);
	service_free(fixture.service);

	fixture.idle_calls = 0;
	start(100); /* as does a connection, even a silent one */
	iterate(1, 0);
	for (last = clock_now_ns(); clock_now_ns() - last < 300 * NS_PER_MS;)
		iterate(0, 0);
	assert_int_equal(fixture.idle_calls, 0);
	last = clock_now_ns();
	fixture.stats.tcp_open = 0;
	run_until_idle();
	assert_true(fixture.idle_ns - last >= 99 * NS_PER_MS);
}

int
main(void)
{
#define SERVICE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        SERVICE_TEST(ready_after_the_first_iteration),
	        SERVICE_TEST(abstract_name),
	        SERVICE_TEST(watchdog_at_half_its_time),
	        SERVICE_TEST(watchdog_at_the_file_limit),
	        SERVICE_TEST(status_at_most_once_a_second),
	        SERVICE_TEST(status_only_when_changed),
	        SERVICE_TEST(stopping),
	        SERVICE_TEST(a_manager_that_does_not_listen),
	        SERVICE_TEST(without_a_manager),
	        SERVICE_TEST(idle_when_nothing_is_open_and_nothing_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
