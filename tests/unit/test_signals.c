#include "test.h"

#include "echod/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct ev_loop *loop;
static struct signals signals;
static int mask_error, open_error, read_error; /* errno of the calls; 0: none */
static int heard[8];
static size_t n_heard;
static char deaf[64]; /* the reason */

int __real_sigprocmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old);
int __real_signalfd(int fd, const sigset_t *set, int flags);
int __wrap_signalfd(int fd, const sigset_t *set, int flags);
ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);

static int
refuse(int error)
{
	errno = error;
	return -1;
}

int
__wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return mask_error ? refuse(mask_error) : __real_sigprocmask(how, set, old);
}

int
__wrap_signalfd(int fd, const sigset_t *set, int flags)
{
	return open_error ? refuse(open_error) : __real_signalfd(fd, set, flags);
}

ssize_t
__wrap_read(int fd, void *buffer, size_t size)
{
	return read_error ? refuse(read_error) : __real_read(fd, buffer, size);
}

static void
on_signal(void *owner, int number)
{
	assert_ptr_equal(owner, &loop);
	heard[n_heard++] = number;
}

static void
on_lost(void *owner, const char *reason)
{
	assert_ptr_equal(owner, &loop);
	snprintf(deaf, sizeof(deaf), "%s", reason);
}

static int
listen_to_signals(void)
{
	static const int numbers[] = {SIGUSR1, SIGHUP, 0};
	const struct signals_config config = {.loop = loop,
	        .numbers = numbers,
	        .on_signal = on_signal,
	        .on_lost = on_lost,
	        .owner = &loop};

	return signals_open(&signals, &config);
}

static int
set_up(void **state)
{
	(void)state;
	loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	mask_error = open_error = read_error = 0;
	n_heard = 0;
	deaf[0] = '\0';
	return loop ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	signals_close(&signals);
	ev_loop_destroy(loop);
	return 0;
}

static void
each_is_heard_once_and_no_other(void **state)
{
	(void)state;
	assert_int_equal(listen_to_signals(), 0);
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGHUP);
	ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(n_heard, 2);
	assert_int_equal(heard[0] + heard[1], SIGUSR1 + SIGHUP);
	ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(n_heard, 2);
	assert_string_equal(deaf, "");
}

static void
who_cannot_listen_says_why(void **state)
{
	(void)state;
	mask_error = EINVAL;
	assert_int_equal(listen_to_signals(), -EINVAL);
	mask_error = 0;
	open_error = EMFILE;
	assert_int_equal(listen_to_signals(), -EMFILE);
}

static void
who_does_not_hear_any_more_says_so(void **state)
{
	const struct {
		int error;
		const char *reason;
	} samples[] = {{EAGAIN, ""}, {EINTR, ""}, {EIO, "Input/output error"}};

	(void)state;
	assert_int_equal(listen_to_signals(), 0);
	raise(SIGUSR1);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		read_error = samples[i].error;
		ev_run(loop, EVRUN_NOWAIT);
		assert_string_equal(deaf, samples[i].reason);
		assert_int_equal(n_heard, 0);
	}
	read_error = 0;
	ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(n_heard, 1);
	ev_feed_event(loop, &signals.watcher, EV_ERROR);
	ev_invoke_pending(loop);
	assert_string_equal(deaf, "epoll does not take their descriptor");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(each_is_heard_once_and_no_other, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(who_cannot_listen_says_why, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                who_does_not_hear_any_more_says_so, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
