#include "test.h"

#include "echod/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct options options;
static char problem[512], path[64];
static int file_fd = -1;

static void
write_file(const char *text, size_t length)
{
	assert_int_equal(ftruncate(file_fd, 0), 0);
	assert_int_equal(pwrite(file_fd, text, length, 0), (ssize_t)length);
}

/* Reads a command line that ends with --config. */
static enum option_outcome
try_file(const char *file, const char *first, const char *second)
{
	static char name[] = "echod", config[128], copies[2][64];
	char *argv[] = {name, copies[0], copies[1], config, NULL};

	snprintf(config, sizeof(config), "--config=%s", file);
	snprintf(copies[0], sizeof(copies[0]), "%s", first ? first : "-v");
	snprintf(copies[1], sizeof(copies[1]), "%s", second ? second : "-v");
	options_free(&options);
	memset(problem, '#', sizeof(problem));
	return options_read(&options, 4, argv, problem, sizeof(problem));
}

static enum option_outcome
try(const char *text, const char *first, const char *second)
{
	write_file(text, strlen(text));
	return try_file(path, first, second);
}

static void
assert_wrong(const char *text, const char *expected)
{
	char with_path[256];

	print_message("%s\n", text);
	snprintf(with_path, sizeof(with_path), "%s:%s", path, expected);
	assert_int_equal(try(text, NULL, NULL), OPTIONS_WRONG);
	assert_string_equal(problem, with_path);
}

static void
sets_what_the_command_line_does_not(void **state)
{
	(void)state;
	assert_int_equal(try("# a comment\n"
	                     "\n"
	                     "port = 7\n"
	                     "udp-rate=5   ; another one\n"
	                     "idle-timeout\t=  0.5h  \r\n"
	                     "tcp = off\n"
	                     "max-connections = 3",
	                         "--udp-rate=6", "--tcp"),
	        OPTIONS_READ);
	assert_int_equal(options.port, 7);
	assert_int_equal(options.udp_rate, 6);
	assert_int_equal(options.idle_timeout, 1800000);
	assert_true(options.tcp);
	assert_int_equal(options.max_connections, 3);
	assert_int_equal(options.stall_timeout, 60000);
}

static int fopen_error; /* 0: none */

FILE *__real_fopen(const char *file, const char *mode);
FILE *__wrap_fopen(const char *file, const char *mode);

FILE *
__wrap_fopen(const char *file, const char *mode)
{
	errno = fopen_error;
	return fopen_error ? NULL : __real_fopen(file, mode);
}

/* What the administrator can mend is a wrong option. */
static void
a_file_that_cannot_be_opened(void **state)
{
	static const int errors[] = {ENOENT, ENOTDIR, EISDIR, EACCES, EMFILE, ENOMEM};
	char expected[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		fopen_error = errors[i];
		assert_int_equal(
		        try_file("/x", NULL, NULL), i < 4 ? OPTIONS_WRONG : OPTIONS_FAILED);
		snprintf(expected, sizeof(expected), "/x: %s", strerror(errors[i]));
		assert_string_equal(problem, expected);
	}
	fopen_error = 0;
}

static void
lists_are_repeated_names(void **state)
{
	static const char text[] = "udp-allow-source-port = 1\n"
	                           "udp-refuse-source-port = 2\n"
	                           "udp-allow-source-port = 3\n";

	(void)state;
	assert_int_equal(try(text, NULL, NULL), OPTIONS_READ);
	assert_int_equal(options.udp_allowed.count, 2);
	assert_int_equal(options.udp_allowed.ports[1], 3);
	assert_int_equal(options.udp_refused.count, 1);
	/* an indented line is one more value */
	assert_int_equal(try("udp-allow-source-port = 1\n  2\n", NULL, NULL), OPTIONS_READ);
	assert_int_equal(options.udp_allowed.count, 2);
	/* the command line replaces the list, and only that one */
	assert_int_equal(try(text, "--udp-allow-source-port=4", NULL), OPTIONS_READ);
	assert_int_equal(options.udp_allowed.count, 1);
	assert_int_equal(options.udp_allowed.ports[0], 4);
	assert_int_equal(options.udp_refused.count, 1);
}

static void
addresses_take_the_port_of_either(void **state)
{
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_int_equal(try("listen = ::1\nport = 5\n", NULL, NULL), OPTIONS_READ);
	assert_int_equal(options.listen.count, 1);
	assert_string_equal(
	        address_format(&options.listen.addresses[0].address, text, sizeof(text)),
	        "[::1]:5");
	assert_string_equal(
	        option_setting_name(options_listening(&options), text, sizeof(text)) + strlen(path),
	        ":1: listen");
	assert_int_equal(try("port = 5\n", "--listen=::1", "--port=6"), OPTIONS_READ);
	assert_string_equal(
	        address_format(&options.listen.addresses[0].address, text, sizeof(text)),
	        "[::1]:6");
}

static void
problems_name_file_and_line(void **state)
{
	(void)state;
	assert_wrong("port = 99999\n", "1: port = 99999: must be a whole number from 0 to 65535");
	assert_wrong("\nport =\n", "2: port = : must be a whole number from 0 to 65535");
	assert_wrong("tcp = yes", "1: tcp = yes: must be on or off");
	assert_wrong("port = 7\n  8\n x\n", "3: port = x: must be a whole number from 0 to 65535");
	assert_wrong("por = 7\n", "1: por: unknown option");
	assert_wrong("--port = 7\n", "1: --port: unknown option");
	assert_wrong("config = x\n", "1: config: on the command line only");
	assert_wrong("check = on\n", "1: check: on the command line only");
	assert_wrong("[echod]\nport = 7\n", "2: there are no sections");
	assert_wrong("verbose\n", "1: must be NAME = VALUE");
	assert_wrong("verbose\nport = x\n", "1: must be NAME = VALUE");
	assert_wrong("port = x\nverbose\n", "1: port = x: must be a whole number from 0 to 65535");
}

static void
what_the_command_line_overrides_is_checked_too(void **state)
{
	(void)state;
	assert_int_equal(try("udp-rate = x\n", "--udp-rate=6", NULL), OPTIONS_WRONG);
	assert_non_null(strstr(problem, ":1: udp-rate = x: must be"));
	assert_int_equal(try("listen = x\n", "--listen=::1", NULL), OPTIONS_WRONG);
}

static void
lines_have_an_end(void **state)
{
	char longest[1000];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "port = 7\n", 9);
	longest[sizeof(longest) - 1] = '\0';
	assert_wrong(longest, "2: the line is too long, or holds a NUL");
	write_file("port = 7\0\nport = x\n", 19);
	snprintf(longest, sizeof(longest), "%s:1: the line is too long, or holds a NUL", path);
	assert_int_equal(try_file(path, NULL, NULL), OPTIONS_WRONG);
	assert_string_equal(problem, longest);
}

static void
files_that_cannot_be_read(void **state)
{
	static const struct {
		const char *file, *problem;
		enum option_outcome outcome;
	} samples[] = {
	        {"/nonexistent", "/nonexistent: No such file or directory", OPTIONS_WRONG},
	        {"/dev/null/x", "/dev/null/x: Not a directory", OPTIONS_WRONG},
	        {"/", "/: Is a directory", OPTIONS_WRONG},
	        {"/proc/self/mem", "/proc/self/mem: Input/output error", OPTIONS_FAILED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		assert_int_equal(try_file(samples[i].file, NULL, NULL), samples[i].outcome);
		assert_string_equal(problem, samples[i].problem);
	}
}

static int
make_file(void **state)
{
	(void)state;
	file_fd = memfd_create("echod.conf", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
	return file_fd < 0;
}

static int
close_file(void **state)
{
	(void)state;
	options_free(&options);
	return close(file_fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(sets_what_the_command_line_does_not),
	        cmocka_unit_test(a_file_that_cannot_be_opened),
	        cmocka_unit_test(lists_are_repeated_names),
	        cmocka_unit_test(addresses_take_the_port_of_either),
	        cmocka_unit_test(problems_name_file_and_line),
	        cmocka_unit_test(what_the_command_line_overrides_is_checked_too),
	        cmocka_unit_test(lines_have_an_end),
	        cmocka_unit_test(files_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, make_file, close_file);
}
