#include "test.h"

#include "reloading.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
	reload_restore(&parts.reload, parts.loop, &parts.listeners, &handover);
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
	        cmocka_unit_test_setup(the_options_before_can_be_gone_back_to, set_up),
	        cmocka_unit_test_setup(a_state_that_is_none_is_refused, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
