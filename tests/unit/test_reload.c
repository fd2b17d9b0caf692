#include "test.h"

#include "echod/loop.h"
#include "echod/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* How the system calls behave, and what the last execve(2) was given. */
static struct {
	const char *execfn, *directory; /* AT_EXECFN, getcwd(3); NULL: it fails */
	unsigned long base;
	int exe_error, named_error; /* of stat(2) */
	struct stat exe, named;
	bool no_memory, no_files, no_environment;
	char executed[PATH_MAX];
	int state_fd; /* a copy of the state's */
} calls;

unsigned long __wrap_getauxval(unsigned long type);
char *__wrap_getcwd(char *buffer, size_t size);
int __wrap_stat(const char *path, struct stat *status);
int __wrap_execve(const char *path, char *const *argv, char *const *environment);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __real_setenv(const char *name, const char *value, int overwrite);
int __wrap_setenv(const char *name, const char *value, int overwrite);

unsigned long
__wrap_getauxval(unsigned long type)
{
	return type == AT_BASE ? calls.base : (unsigned long)calls.execfn;
}

char *
__wrap_getcwd(char *buffer, size_t size)
{
	if (!calls.directory)
		return NULL;
	assert_true(size >= PATH_MAX);
	return strcpy(buffer, calls.directory);
}

int
__wrap_stat(const char *path, struct stat *status)
{
	bool exe = strcmp(path, "/proc/self/exe") == 0;

	if (!exe)
		assert_string_equal(path, calls.execfn);
	*status = exe ? calls.exe : calls.named;
	return exe ? calls.exe_error : calls.named_error;
}

int
__wrap_execve(const char *path, char *const *argv, char *const *environment)
{
	const char *state = getenv("ECHOD_STATE_FD");

	assert_string_equal(argv[0], "echod");
	assert_ptr_equal(environment, environ);
	strcpy(calls.executed, path);
	calls.state_fd = state ? dup(atoi(state)) : -1;
	errno = ENOEXEC;
	return -1;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return calls.no_memory ? NULL : __real_calloc(n, size);
}

int
__wrap_setenv(const char *name, const char *value, int overwrite)
{
	errno = ENOMEM;
	return calls.no_environment ? -1 : __real_setenv(name, value, overwrite);
}

int
__wrap_fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if (command == F_DUPFD_CLOEXEC && calls.no_files) {
		errno = EMFILE;
		return -1;
	}
	return __real_fcntl(fd, command, argument);
}

/* What a daemon is made of, as far as it survives. */
struct parts {
	struct options options;
	struct listeners listeners;
	struct stats stats;
	struct ev_loop *loop;
	struct reload reload;
};

static char problem[256];
static char *arguments[] = {(char[]){"echod"}, (char[]){"--listen=127.0.0.1:0"},
        (char[]){"--udp-rate=10"}, (char[]){"-v"}, NULL};
static int argc_now;

static void
on_closed(void *owner)
{
	(void)owner;
}

/* Opens its listeners itself, unless it gets them from a handover. */
static void
make_with(struct parts *parts, char **argv, int argc, const struct handover *handover,
        const struct connections_config *limits)
{
	struct listeners known = {0};
	struct connections_config config = *limits;
	struct acceptor_config acceptor;

	*parts = (struct parts){0};
	assert_int_equal(
	        options_read(&parts->options, argc, argv, problem, sizeof(problem)), OPTIONS_READ);
	if (handover) {
		assert_int_equal(listeners_restore(&known, handover, &parts->options, problem,
		                         sizeof(problem)),
		        0);
		assert_int_equal(listeners_choose(&parts->listeners, &known, &parts->options,
		                         problem, sizeof(problem)),
		        0);
		listeners_close(&known, &parts->listeners);
	} else {
		assert_int_equal(listeners_open(&parts->listeners, &parts->options, problem,
		                         sizeof(problem)),
		        0);
	}
	parts->loop = loop_new();
	config.loop = parts->loop;
	config.stats = &parts->stats;
	config.handover = handover;
	config.on_closed = on_closed;
	acceptor = (struct acceptor_config){.loop = parts->loop, .stats = &parts->stats};
	parts->reload = (struct reload){
	        .options = &parts->options,
	        .listeners = &parts->listeners,
	        .connections = connections_new(&config),
	        .stats = &parts->stats,
	        .other_files = 5,
	};
	acceptor.connections = parts->reload.connections;
	parts->reload.acceptor = acceptor_new(&acceptor, &parts->listeners);
	parts->reload.udp = udp_new(parts->loop, &parts->stats, &parts->options, &parts->listeners);
}

static const struct connections_config plain = {
        .limit = 8, .ring_size = 4096, .ring_memory = 3 * 4096};

static void
make(struct parts *parts)
{
	make_with(parts, arguments, argc_now, NULL, &plain);
}

/* with its descriptors, or without those that another program has taken over */
static void
unmake(struct parts *parts, const struct parts *heir)
{
	struct connections *connections = parts->reload.connections;

	for (uint32_t i = 0; heir && i < connections_slots(connections); i++)
		connections_at(connections, i)->open = false;
	connections_free(connections);
	acceptor_free(parts->reload.acceptor);
	udp_free(parts->reload.udp);
	ev_loop_destroy(parts->loop);
	listeners_close(&parts->listeners, heir ? &heir->listeners : NULL);
	options_free(&parts->options);
}

static int
set_up(void **state)
{
	struct handover handover;

	(void)state;
	memset(&calls, 0, sizeof(calls));
	calls.base = 1;
	calls.execfn = "/usr/sbin/echod";
	calls.state_fd = -1;
	argc_now = 4;
	unsetenv("ECHOD_STATE_FD");
	unsetenv("RUNTIME_DIRECTORY");
	problem[0] = '\0';
	assert_int_equal(reload_begin(argc_now, arguments, &handover, problem, sizeof(problem)), 0);
	assert_null(handover.bytes);
	return 0;
}

/* What a reload then says, or the path that it executes. */
static const char *
attempt(void)
{
	struct handover handover;
	struct parts parts;

	assert_int_equal(reload_begin(argc_now, arguments, &handover, problem, sizeof(problem)), 0);
	calls.executed[0] = '\0';
	make(&parts);
	reload_execute(&parts.reload, problem, sizeof(problem));
	unmake(&parts, NULL);
	if (calls.state_fd >= 0)
		close(calls.state_fd);
	calls.state_fd = -1;
	assert_null(getenv("ECHOD_STATE_FD"));
	return calls.executed[0] ? calls.executed : problem;
}

static void
the_path_it_was_started_from_is_executed(void **state)
{
	static const char unknown[] = "echod was not started by its own name";
	char longest[PATH_MAX];

	(void)state;
	assert_string_equal(attempt(), "/usr/sbin/echod");
	assert_string_equal(problem, "/usr/sbin/echod: Exec format error");
	calls.execfn = "./echod";
	calls.directory = "/srv";
	assert_string_equal(attempt(), "/srv/./echod");
	calls.directory = NULL;
	assert_string_equal(attempt(), unknown);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	calls.directory = longest;
	assert_string_equal(attempt(), unknown);
	calls.execfn = "/usr/sbin/echod";
	calls.base = 0; /* the loader */
	assert_string_equal(attempt(), unknown);
	calls.base = 1;
	calls.exe.st_ino = 7; /* valgrind */
	assert_string_equal(attempt(), unknown);
	calls.exe = (struct stat){.st_dev = 7};
	assert_string_equal(attempt(), unknown);
	calls.exe_error = -1; /* no /proc */
	assert_string_equal(attempt(), "/usr/sbin/echod");
	calls.exe_error = 0;
	calls.named_error = -1;
	assert_string_equal(attempt(), "/usr/sbin/echod");
}

static void
what_is_not_possible_is_told_before(void **state)
{
	(void)state;
	calls.no_files = true;
	assert_string_equal(attempt(), "the state: Too many open files");
	calls.no_files = false;
	calls.no_environment = true;
	assert_string_equal(attempt(), "the state: Cannot allocate memory");
	calls.no_environment = false;
	setenv("RUNTIME_DIRECTORY", "/nonexistent", 1);
	assert_string_equal(attempt(), "the state: No such file or directory");
}

static int
take(int argc, char **argv, struct handover *handover)
{
	assert_int_equal(argc, 4);
	assert_true(handover->refused);
	assert_string_equal(argv[0], "echod");
	assert_string_equal(argv[1], "--listen=127.0.0.1:0");
	assert_string_equal(argv[2], "--udp-rate=10");
	assert_string_equal(argv[3], "--verbose=on");
	assert_null(argv[4]);
	return 7;
}

/* A connection as accept4(2) would give one. */
static struct connection *
connected(struct parts *parts, int *other)
{
	const struct address peer = {
	        .length = sizeof(peer.in4), .in4 = {AF_INET, 9, {htonl(0xc0000201)}, {0}}};
	struct connections *connections = parts->reload.connections;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	*other = ends[1];
	assert_int_equal(connection_open(connections, ends[0], &peer), 0);
	return connections_at(connections, connections_slots(connections) - 1);
}

/* Gives it a ring that holds "wrapped around". */
static void
lend(struct parts *parts, struct connection *c)
{
	struct ring *ring = ring_pool_take(&parts->reload.connections->echo.rings);

	ring->head = ring->size - 4;
	ring->used = 14;
	memcpy(ring->bytes + ring->head, "wrap", 4);
	memcpy(ring->bytes, "ped around", 10);
	c->watcher.data = ring;
	c->blocked = true;
}

enum { IDLE, OWES, ENDS, WAITS, LINGERS, N_CONNECTIONS };

static void
expect_restored(struct parts *parts)
{
	struct connections *all = parts->reload.connections;
	struct connection *c = connections_at(all, 0);

	assert_int_equal(connections_open_now(all), N_CONNECTIONS);
	assert_int_equal(connections_now(all), 1234);
	for (uint32_t i = 0; i < N_CONNECTIONS; i++) {
		bool owes = i == OWES || i == ENDS;

		assert_int_equal(c[i].sent, 100 + i);
		assert_int_equal(echo_held(&c[i]), owes ? 14 : 0);
		if (owes)
			assert_memory_equal(
			        ((struct ring *)c[i].watcher.data)->bytes, "wrapped around", 14);
		assert_int_equal(c[i].finished, i == ENDS || i == LINGERS);
		assert_int_equal(c[i].blocked, owes || i == WAITS);
		assert_int_equal(c[i].lingers, i == LINGERS);
		assert_int_equal(ev_is_active(&c[i].watcher), i != LINGERS);
		assert_int_equal(all->deliveries[i].acked, 10 * i);
		assert_int_equal(all->deliveries[i].waiting_since, 1200 + i);
		if (i != LINGERS)
			assert_int_equal(c[i].active_at, 1230 + i);
	}
	assert_int_equal(c[IDLE].watcher.events & 3, EV_READ);
	assert_int_equal(c[OWES].watcher.events & 3, EV_READ | EV_WRITE);
	assert_int_equal(c[ENDS].watcher.events & 3, EV_WRITE);
	assert_int_equal(c[WAITS].watcher.events & 3, EV_WRITE);
	assert_int_equal(connections_lingering(all), 1);
	assert_ptr_equal(connections_lingering_at(all, 0), &c[LINGERS]);
	assert_int_equal(parts->stats.tcp_open, N_CONNECTIONS);
	assert_int_equal(parts->stats.tcp_accepted, N_CONNECTIONS);
	assert_int_equal(parts->stats.udp_received, 77);
	assert_int_equal(parts->reload.log_lost, 3);
	assert_int_equal(acceptor_bucket(parts->reload.acceptor)->full_at_ns, 4242);
	assert_int_equal(parts->reload.other_files, 5);
}

/* Executes nothing, and goes on in another daemon of the same process. */
static void
everything_survives(void **state)
{
	const struct in6_addr source = {.s6_addr = {0x20, 1}};
	const struct train train = {.length = 1};
	struct parts old, new;
	struct handover handover;
	int others[N_CONNECTIONS];
	char fd[16];

	(void)state;
	for (int with_details = 0; with_details <= 1; with_details++) {
		/* fewer than there are, too small and too few rings */
		struct connections_config less = {.limit = 2, .ring_size = 1, .ring_memory = 1};

		less.source_limit = with_details ? 1 : 0;
		less.log_exits = !with_details; /* then the peer is not known */
		make(&old);
		if (with_details) {
			struct connections_config details = plain;

			unmake(&old, NULL);
			details.log_exits = true;
			make_with(&old, arguments, argc_now, NULL, &details);
		}
		connections_advance(old.reload.connections, 1234);
		for (uint32_t i = 0; i < N_CONNECTIONS; i++) {
			struct connection *c = connected(&old, &others[i]);

			c->sent = 100 + i;
			c->active_at = 1230 + i;
			c->finished = i == ENDS;
			c->blocked = i == WAITS;
			if (i == OWES || i == ENDS)
				lend(&old, c);
			old.reload.connections->deliveries[i] = (struct delivery){10 * i, 1200 + i};
			if (i == LINGERS) {
				ev_io_stop(old.loop, &c->watcher);
				connection_linger(old.reload.connections, c);
			}
		}
		old.stats.udp_received = 77;
		old.stats.log_lost = 3;
		acceptor_bucket(old.reload.acceptor)->full_at_ns = 4242;
		assert_int_equal(source_tokens_take(udp_tokens(old.reload.udp), &source, &train,
		                         UINT64_MAX / 2),
		        1);
		reload_execute(&old.reload, problem, sizeof(problem));
		assert_string_equal(problem, "/usr/sbin/echod: Exec format error");

		snprintf(fd, sizeof(fd), "%d", calls.state_fd);
		setenv("ECHOD_STATE_FD", fd, 1);
		assert_int_equal(
		        reload_begin(argc_now, arguments, &handover, problem, sizeof(problem)), 0);
		assert_null(getenv("ECHOD_STATE_FD"));
		assert_int_equal(fcntl(calls.state_fd, F_GETFD), -1);
		assert_int_equal(handover.connections, N_CONNECTIONS);
		make_with(&new, arguments, argc_now, &handover, &less);
		assert_int_equal(new.listeners.all[0].listen_fd, old.listeners.all[0].listen_fd);
		reload_restore(&new.reload, &handover);
		reload_finish(&handover);
		assert_null(handover.bytes);
		expect_restored(&new);
		assert_true(connections_overfull(new.reload.connections));
		assert_int_equal(new.stats.reloads, 1);
		for (uint32_t i = 0; i < 19; i++)
			assert_int_equal(source_tokens_take(udp_tokens(new.reload.udp), &source,
			                         &train, UINT64_MAX / 2),
			        1);
		assert_int_equal(source_tokens_take(udp_tokens(new.reload.udp), &source, &train,
		                         UINT64_MAX / 2),
		        0);
		if (with_details) /* who they are counts for the limit of their source */
			assert_int_equal(
			        connection_open(new.reload.connections, 0,
			                &(struct address){
			                        .in4 = {AF_INET, 9, {htonl(0xc0000201)}, {0}}}),
			        -EDQUOT);
		unmake(&old, &new);
		unmake(&new, NULL);
		for (uint32_t i = 0; i < N_CONNECTIONS; i++)
			close(others[i]);
	}
}

static void
the_options_before_can_be_gone_back_to(void **state)
{
	struct handover handover;
	struct parts parts;

	(void)state;
	make(&parts);
	reload_execute(&parts.reload, problem, sizeof(problem));
	assert_int_equal(handover_open(&handover, calls.state_fd, problem, sizeof(problem)), 0);
	close(calls.state_fd);
	assert_int_equal(reload_as_before(&handover, take), 7);
	calls.no_memory = true;
	assert_int_equal(reload_as_before(&handover, take), EXIT_FAILURE);
	calls.no_memory = false;
	reload_restore(&parts.reload, &handover);
	handover_free(&handover);
	assert_int_equal(parts.stats.reloads, 0);
	assert_int_equal(parts.stats.last_reload_successful, 0);
	unmake(&parts, NULL);
}

static void
a_state_that_is_none_is_refused(void **state)
{
	int state_fd = memfd_create("state", 0);
	struct handover handover;
	char fd[16];

	(void)state;
	snprintf(fd, sizeof(fd), "%d", state_fd);
	setenv("ECHOD_STATE_FD", fd, 1);
	assert_int_equal(
	        reload_begin(argc_now, arguments, &handover, problem, sizeof(problem)), -EINVAL);
	assert_string_equal(problem, "no state of echod");
	assert_int_equal(fcntl(state_fd, F_GETFD), -1);
	handover_free(&handover);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(the_path_it_was_started_from_is_executed, set_up),
	        cmocka_unit_test_setup(what_is_not_possible_is_told_before, set_up),
	        cmocka_unit_test_setup(everything_survives, set_up),
	        cmocka_unit_test_setup(the_options_before_can_be_gone_back_to, set_up),
	        cmocka_unit_test_setup(a_state_that_is_none_is_refused, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
