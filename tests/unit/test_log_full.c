#include "test.h"

#include "capture.h"
#include "echod/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Writes more lines than fit; every one that comes out is whole, and the others are counted. */
static void
check_full(int write_fd, int read_fd)
{
	enum { LINES = 20000 };
	uint64_t lost;
	size_t lines = 0;
	const char *line;

	capture_begin(write_fd);
	for (int i = 0; i < LINES; i++)
		log_line(LOG_INFO, "line %05d of a log that is not read", i);
	lost = log_lost();
	for (line = capture_receive(read_fd); *line; line = strchr(line, '\n') + 1, lines++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "line %05zu of a log that is not read\n",
		        lines);
		if (strncmp(line, expected, strlen(expected)) != 0)
			break;
	}
	log_line(LOG_INFO, "again");
	capture_receive(read_fd);
	capture_end();
	assert_int_equal(*line, '\0');
	assert_true(lines > 0);
	assert_int_equal(lines + lost, LINES);
	assert_string_equal(capture.got, "again\n");
	assert_int_equal(fcntl(write_fd, F_GETFL) & O_NONBLOCK, 0); /* others share it */
	close(write_fd);
	close(read_fd);
}

/* With a descriptor of our own, and where /proc cannot give us one. */
static void
a_full_pipe_never_blocks(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		int ends[2];

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		fcntl(ends[1], F_SETPIPE_SZ, 16 * 1024);
		capture.no_proc = i;
		check_full(ends[1], ends[0]);
	}
	capture.no_proc = false;
}

/* One whose output is stopped (Ctrl-S), or not read at all. */
static void
a_full_terminal_never_blocks(void **state)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), fd;

	(void)state;
	assert_int_equal(grantpt(terminal) | unlockpt(terminal), 0);
	fd = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	capture_begin(fd);
	for (int i = 0; i < 10000; i++)
		log_line(LOG_INFO, "line %05d of a log that is not read", i);
	assert_true(capture_end() > 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	close(fd);
	close(terminal);
}

static void
a_full_socket_never_blocks(void **state)
{
	const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}, small = 4096;
	int ends[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, ends), 0);
		setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		check_full(ends[1], ends[0]);
	}
}

static void
a_gone_reader_is_no_signal(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	close(ends[0]);
	capture_begin(ends[1]); /* SIGPIPE would kill the test */
	log_line(LOG_INFO, "a");
	log_line(LOG_INFO, "b");
	assert_int_equal(capture_end(), 2);
	close(ends[1]);
}

static void
what_stderr_does_not_take_is_counted(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	capture_begin(fd);
	log_line(LOG_INFO, "a");
	log_line(LOG_INFO, "b");
	log_line(LOG_DEBUG, "not urgent enough to be lost");
	assert_int_equal(capture_end(), 2);
	close(fd);

	capture_begin(-1);
	log_line(LOG_INFO, "a");
	assert_int_equal(capture_end(), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_full_pipe_never_blocks),
	        cmocka_unit_test(a_full_terminal_never_blocks),
	        cmocka_unit_test(a_full_socket_never_blocks),
	        cmocka_unit_test(a_gone_reader_is_no_signal),
	        cmocka_unit_test(what_stderr_does_not_take_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
