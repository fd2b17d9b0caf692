#include "calls.h"
#include "clock.h"
#include "counters.h"
#include "epoll.h"
#include "faults.h"
#include "files.h"
#include "notify.h"
#include "oracle.h"
#include "random.h"
#include "scenario.h"
#include "stats_clients.h"
#include "trace.h"

#include "echod/log.h"
#include "echod/udp_filter.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct {
	sigset_t blocked;
	int signal_fd; /* -1: none */
	uint32_t files;
	bool simulated;
	uint64_t pending;  /* signals, while a program starts */
	uint64_t executed; /* the iteration in which a program has started, 0: at the beginning */
} state;

char *__real_getenv(const char *name);
ssize_t __real_read(int fd, void *buffer, size_t size);
void __real_udp_filter_ports_init(struct udp_filter_ports *ports);
ssize_t __real_write(int fd, const void *buffer, size_t size);

void
calls_begin(uint32_t files)
{
	memset(&state, 0, sizeof(state));
	sigemptyset(&state.blocked);
	state.signal_fd = -1;
	state.files = files;
	state.simulated = true;
}

void
calls_end(void)
{
	state.simulated = false;
}

bool
calls_simulated(void)
{
	return state.simulated;
}

bool
calls_starting(void)
{
	return clock_iteration() == state.executed;
}

void
calls_execute(void)
{
	state.pending = files_get(state.signal_fd, FILE_SIGNALS, "execve")->pending;
	state.signal_fd = -1;
	state.executed = clock_iteration();
}

void
calls_signal(int number)
{
	expect(state.signal_fd >= 0, "no descriptor receives signal %d", number);
	trace("signal", number, 0, 0);
	files_get(state.signal_fd, FILE_SIGNALS, "signal")->pending |= UINT64_C(1) << number;
	epoll_wake(state.signal_fd);
}

WRAP(int, epoll_create1, int flags)
{
	int fd = -fault(CALL_EPOLL_CREATE);

	expect(flags == EPOLL_CLOEXEC, "epoll_create1 with flags %x", (unsigned)flags);
	if (fd == 0)
		fd = files_open(FILE_EPOLL);
	trace("epoll_create1", flags, 0, fd);
	return (int)answer(fd);
}

/* What libev tries when epoll_create1() fails. */
WRAP(int, epoll_create, int size)
{
	(void)size;
	return (int)answer(-ENFILE);
}

WRAP(int, epoll_ctl, int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	struct file *file = files_any(fd, "epoll_ctl");
	int error = 0;

	files_get(epoll_fd, FILE_EPOLL, "epoll_ctl");
	/* without signals the daemon ends: tests/system/test_torture.py */
	if (operation == EPOLL_CTL_ADD && file->kind != FILE_SIGNALS)
		error = -fault(CALL_EPOLL_ADD);
	if (error && file->kind == FILE_STATS)
		stats_clients_on_failure();
	if (error)
		oracle_on_epoll_error(file->kind == FILE_STREAM ? file->stream : NULL, -error);
	else
		error = epoll_control(operation, fd, event);
	oracle_on_progress();
	trace("epoll_ctl", fd, operation << 8 | (int)event->events, error);
	return (int)answer(error);
}

WRAP(int, epoll_wait, int epoll_fd, struct epoll_event *events, int most, int timeout_ms)
{
	int count = -fault(CALL_EPOLL_WAIT);

	files_get(epoll_fd, FILE_EPOLL, "epoll_wait");
	trace("epoll_wait", most, timeout_ms, 0);
	if (count == 0)
		count = scenario_wait(events, most, timeout_ms);
	trace("events", count, 0, 0);
	for (int i = 0; i < count; i++)
		trace("event", (int64_t)(uint32_t)events[i].data.u64, events[i].events, 0);
	return (int)answer(count);
}

WRAP(int, signalfd, int fd, const sigset_t *heard, int flags)
{
	int signal_fd = -fault(CALL_SIGNAL_FD);

	expect(fd == -1 && flags == (SFD_NONBLOCK | SFD_CLOEXEC), "signalfd of %d with flags %x",
	        fd, (unsigned)flags);
	for (int number = 1; number < NSIG; number++)
		expect(sigismember(heard, number) <= sigismember(&state.blocked, number),
		        "signal %d is not blocked", number);
	if (signal_fd == 0)
		signal_fd = files_open(FILE_SIGNALS);
	if (signal_fd >= 0) {
		files_any(signal_fd, "signalfd")->pending = state.pending;
		state.pending = 0;
		state.signal_fd = signal_fd;
	}
	trace("signalfd", flags, 0, signal_fd);
	return (int)answer(signal_fd);
}

WRAP(ssize_t, read, int fd, void *buffer, size_t size)
{
	struct signalfd_siginfo *info = buffer, *end = info + size / sizeof(*info);
	struct file *file;

	if (!calls_simulated())
		return __real_read(fd, buffer, size);
	file = files_get(fd, FILE_SIGNALS, "read");
	oracle_on_progress();
	trace("read", fd, (int64_t)file->pending, (int64_t)size);
	if (!file->pending)
		return answer(-EAGAIN);
	for (; file->pending && info < end; info++) {
		*info = (struct signalfd_siginfo){
		        .ssi_signo = (uint32_t)__builtin_ctzll(file->pending)};
		file->pending &= file->pending - 1;
	}
	return (char *)info - (char *)buffer;
}

static ssize_t
write_log(const char *text, size_t size)
{
	int error = fault(CALL_LOG);
	char line[4096];
	ssize_t result;

	if (error == EINTR)
		return -EINTR;
	expect(size < sizeof(line) && size > 0 && text[size - 1] == '\n' &&
	                !memchr(text, '\n', size - 1),
	        "the log gets something that is not one line");
	memcpy(line, text, size);
	line[size - 1] = '\0';
	trace_text("log", line);
	oracle_on_log(line);
	result = error ? -error : (ssize_t)fault_cut(size);
	if (result != (ssize_t)size)
		counters_on_log_lost();
	return result;
}

WRAP(ssize_t, write, int fd, const void *buffer, size_t size)
{
	if (!calls_simulated())
		return __real_write(fd, buffer, size);
	if (files_any(fd, "write")->kind == FILE_STATE)
		return calls_write_state(buffer, size);
	expect(fd == STDERR_FILENO, "write to descriptor %d", fd);
	return answer(write_log(buffer, size));
}

WRAP(int, clock_gettime, clockid_t clock, struct timespec *time)
{
	uint64_t ns = clock == CLOCK_REALTIME ? clock_wall() : clock_now();

	*time = (struct timespec){.tv_sec = (time_t)(ns / S), .tv_nsec = (long)(ns % S)};
	return 0;
}

WRAP(int, gettimeofday, struct timeval *time, void *zone)
{
	uint64_t ns = clock_wall();

	(void)zone;
	*time = (struct timeval){
	        .tv_sec = (time_t)(ns / S), .tv_usec = (suseconds_t)(ns % S / 1000)};
	return 0;
}

WRAP(int, sigprocmask, int how, const sigset_t *set, sigset_t *old)
{
	expect(how == SIG_BLOCK && set && !old, "sigprocmask %d", how);
	state.blocked = *set;
	trace("sigprocmask", how, 0, 0);
	return 0;
}

WRAP(int, getrlimit, int resource, struct rlimit *limit)
{
	expect(resource == RLIMIT_NOFILE, "getrlimit of %d", resource);
	*limit = (struct rlimit){.rlim_cur = state.files, .rlim_max = state.files};
	return 0;
}

WRAP(char *, getenv, const char *name)
{
	if (calls_simulated() && strcmp(name, "NOTIFY_SOCKET") == 0)
		return (char *)(uintptr_t)notify_now()->path;
	if (calls_simulated() && strcmp(name, "RUNTIME_DIRECTORY") == 0)
		return NULL;
	return __real_getenv(name);
}

WRAP(int, sd_watchdog_enabled, int unset, uint64_t *time_us)
{
	(void)unset;
	*time_us = notify_now()->watchdog_us;
	return *time_us > 0;
}

/* The same in every run: a tenth of the time of one, unless it is remembered. */
WRAP(void, udp_filter_ports_init, struct udp_filter_ports *ports)
{
	static struct udp_filter_ports made;
	static bool is_made;

	if (!is_made)
		__real_udp_filter_ports_init(&made);
	is_made = true;
	*ports = made;
}

/* The key of the tables of sources. */
WRAP(int, getentropy, void *buffer, size_t size)
{
	int error = -fault(CALL_ENTROPY);

	memset(buffer, 7, size);
	return (int)answer(error);
}
