#include "test.h"

#include "probe.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Between the two, what is printed goes to a file in memory. */
static int captured_fd, stdout_fd;

static void
begin_capture(void)
{
	captured_fd = memfd_create("stdout", MFD_CLOEXEC);
	stdout_fd = dup(STDOUT_FILENO);
	assert_true(captured_fd >= 0 && stdout_fd >= 0);
	fflush(stdout);
	dup2(captured_fd, STDOUT_FILENO);
}

static void
end_capture(const char *expected)
{
	char shown[2048] = "";

	fflush(stdout);
	dup2(stdout_fd, STDOUT_FILENO);
	close(stdout_fd);
	assert_true(pread(captured_fd, shown, sizeof(shown) - 1, 0) > 0);
	close(captured_fd);
	assert_string_equal(shown, expected);
}

/* What an option prints to stdout. */
static void
assert_shown(const char *option, const char *expected)
{
	enum option_outcome outcome;

	begin_capture();
	outcome = TRY("--count=4", option, "--nonsense");
	end_capture(expected);
	assert_int_equal(outcome, OPTIONS_SHOWN);
}

static const char help[] = "Usage: probe [OPTION]... PLACE...\n"
                           "Probes.\n"
                           "\n"
                           "  -f, --fast                               hurry\n"
                           "      --far=on|off                         go on\n"
                           "  -c, --count=N                            how many [3]\n"
                           "      --size=BYTES                         how much [2K]\n"
                           "      --time=TIME                          how long\n"
                           "      --name=TEXT                          who [nobody]\n"
                           "      --call=TEXT                          what\n"
                           "  -h, --help                               this help\n"
                           "      --version                            the version\n";

static void
help_and_version(void **state)
{
	(void)state;
	assert_shown("--version", "probe " ECHOD_VERSION "\n");
	assert_shown("-h", help);
	assert_shown("--help", help);
}

static void
shows_what_holds_and_where_it_comes_from(void **state)
{
	const struct option_setting in_file = {
	        .spec = &probe_specs[6], .value = "c", .file = "x.conf", .line = 7};
	enum option_outcome outcome;

	(void)state;
	assert_int_equal(TRY("--count=4", "-f", "--call=a", "--count=5", "--call=b", "--far=off"),
	        OPTIONS_READ);
	assert_int_equal(option_table_set(&in_file, &settings, &given, problem, sizeof(problem)),
	        OPTIONS_READ);
	assert_string_equal(settings.called, "a,b,c,");
	begin_capture();
	outcome = option_settings_show(&given, &probe_table, problem, sizeof(problem));
	end_capture("fast = on                              ; command line\n"
	            "far = off                              ; command line\n"
	            "count = 5                              ; command line\n"
	            "size = 2K                              ; default\n"
	            "# time is not set: how long\n"
	            "name = nobody                          ; default\n"
	            "call = a                               ; command line\n"
	            "call = b                               ; command line\n"
	            "call = c                               ; x.conf:7\n");
	assert_int_equal(outcome, OPTIONS_SHOWN);
}

/* Where the text goes out at its end, and where it does line by line. */
static void
help_that_cannot_be_written_fails(void **state)
{
	const char *const arguments[] = {"probe", "--help", NULL};
	static const int modes[] = {_IOFBF, _IONBF};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved = dup(STDOUT_FILENO);
		enum option_outcome outcome;

		fflush(stdout);
		dup2(full, STDOUT_FILENO);
		setvbuf(stdout, NULL, modes[i], BUFSIZ);
		outcome = probe_try(arguments, sizeof(problem));
		fflush(stdout);
		dup2(saved, STDOUT_FILENO);
		setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
		clearerr(stdout);
		close(full);
		close(saved);
		assert_int_equal(outcome, OPTIONS_FAILED);
		assert_string_equal(problem, "standard output: No space left on device");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(help_and_version),
	        cmocka_unit_test(shows_what_holds_and_where_it_comes_from),
	        cmocka_unit_test(help_that_cannot_be_written_fails),
	};

	return cmocka_run_group_tests(tests, NULL, probe_teardown);
}
