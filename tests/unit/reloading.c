#include "reloading.h"

#include "test.h"

#include "echod/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

struct reloading_calls calls;

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
	va_list list;
	long argument;

	va_start(list, command);
	argument = va_arg(list, long);
	va_end(list);
	if (command == F_DUPFD_CLOEXEC && calls.no_files) {
		errno = EMFILE;
		return -1;
	}
	return __real_fcntl(fd, command, argument);
}

char problem[256];
char *arguments[] = {(char[]){"echod"}, (char[]){"--listen=127.0.0.1:0"}, (char[]){"--udp-rate=10"},
        (char[]){"-v"}, NULL};
int argc_now;

static void
on_closed(void *owner)
{
	(void)owner;
}

void
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

const struct connections_config plain = {.limit = 8, .ring_size = 4096, .ring_memory = 3 * 4096};

void
make(struct parts *parts)
{
	make_with(parts, arguments, argc_now, NULL, &plain);
}

void
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

int
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
