#include "test.h"

#include "echod/log.h"
#include "fake_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int real_stderr;
static uint64_t lost_before;
static bool no_proc;
static int interrupts; /* so many writes fail with EINTR first */
static char got[64 * 1024];

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *buffer, size_t size);
ssize_t __wrap_write(int fd, const void *buffer, size_t size);

int
__wrap_open(const char *path, int flags, ...)
{
	if (!no_proc)
		return __real_open(path, flags);
	errno = ENOENT;
	return -1;
}

ssize_t
__wrap_write(int fd, const void *buffer, size_t size)
{
	if (interrupts == 0)
		return __real_write(fd, buffer, size);
	interrupts--;
	errno = EINTR;
	return -1;
}

/* From here on stderr is what the test says, and cmocka must not speak. */
static void
begin(int fd)
{
	real_stderr = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	lost_before = log_lost();
	log_open();
}

/* Returns how many lines were lost. */
static uint64_t
end(void)
{
	log_close();
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	return log_lost() - lost_before;
}

/* What has been written into a pipe or socket. */
static const char *
receive(int fd)
{
	size_t length = 0;
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((n = read(fd, got + length, sizeof(got) - 1 - length)) > 0)
		length += (size_t)n;
	got[length] = '\0';
	return got;
}

static int
new_file(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_true(fd >= 0);
	unsetenv("JOURNAL_STREAM");
	return fd;
}

static const char *
contents(int fd)
{
	ssize_t n = pread(fd, got, sizeof(got) - 1, 0);

	assert_true(n >= 0);
	got[n] = '\0';
	close(fd);
	return got;
}

static void
lines_that_are_urgent_enough(void **state)
{
	static struct log_limit limit;
	int fd = new_file();

	(void)state;
	begin(fd);
	log_line(LOG_INFO, "LISTEN: proto=%s port=%d", "tcp", 50007);
	log_line(LOG_DEBUG, "b");
	log_set_threshold(LOG_NOTICE);
	log_line(LOG_NOTICE, "%s", "");
	log_line(LOG_INFO, "d");
	log_limited(&limit, LOG_INFO, "e"); /* neither written nor counted */
	log_limited(&limit, LOG_WARNING, "f");
	log_set_threshold(LOG_DEBUG);
	log_line(LOG_DEBUG, "g");
	log_set_threshold(LOG_INFO);
	assert_int_equal(end(), 0);
	assert_int_equal(limit.suppressed, 0);
	assert_string_equal(contents(fd), "LISTEN: proto=tcp port=50007\n\nf\ng\n");
}

static void
the_journal_gets_priorities(void **state)
{
	/* what is added to the file's own device and inode, and what is written nevertheless */
	const struct {
		unsigned device, inode;
		const char *instead;
		bool journal;
	} samples[] = {{0, 0, NULL, true}, {1, 0, NULL, false}, {0, 1, NULL, false},
	        {0, 0, "", false}, {0, 0, ":", false}, {0, 0, "8", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		int fd = new_file();
		struct stat status;
		char stream[64];

		assert_int_equal(fstat(fd, &status), 0);
		snprintf(stream, sizeof(stream), "%llu:%llu",
		        (unsigned long long)status.st_dev + samples[i].device,
		        (unsigned long long)status.st_ino + samples[i].inode);
		setenv("JOURNAL_STREAM", samples[i].instead ? samples[i].instead : stream, 1);
		begin(fd);
		log_line(LOG_INFO, "info");
		log_line(LOG_ERR, "error\n");
		assert_int_equal(end(), 0);
		assert_string_equal(contents(fd),
		        samples[i].journal ? "<6>info\n<3>error?\n" : "info\nerror?\n");
	}
	unsetenv("JOURNAL_STREAM");
}

static void
control_characters_become_question_marks(void **state)
{
	int fd = new_file();

	(void)state;
	begin(fd);
	log_line(LOG_INFO, "%s", "a\nb\rc\td\x1b[31me\x7f\x01\x1f ~");
	log_line(LOG_INFO, "%s", "gr\xc3\xbc\xc3\x9f");
	end();
	assert_string_equal(contents(fd), "a?b?c?d?[31me??? ~\ngr\xc3\xbc\xc3\x9f\n");
}

/* A pipe takes no more than 4096 bytes whole; the count of the suppressed is never cut off. */
static void
long_lines_are_cut(void **state)
{
	static char text[10000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (int suppressed = 0; suppressed < 2; suppressed++) {
		struct log_limit limit = {.suppressed = suppressed ? UINT64_MAX : 0};
		const char *tail = suppressed ? " suppressed=18446744073709551615\n" : "\n";
		int fd = new_file();
		const char *line;
		size_t length;

		begin(fd);
		log_limited(&limit, LOG_INFO, "%s", text);
		log_line(LOG_INFO, "next");
		end();
		line = contents(fd);
		length = (size_t)(strchr(line, '\n') + 1 - line);
		assert_in_range(length, 4000, 4096);
		assert_int_equal(strspn(line, "x"), length - strlen(tail));
		assert_memory_equal(line + length - strlen(tail), tail, strlen(tail));
		assert_string_equal(line + length, "next\n");
	}
	/* every length around the cut comes out as a whole line */
	for (size_t length = 4000; length < 4200; length++) {
		int fd = new_file();
		const char *line;

		begin(fd);
		log_line(LOG_INFO, "%.*s", (int)length, text);
		end();
		line = contents(fd);
		assert_true(strspn(line, "x") == length || strspn(line, "x") > 4050);
		assert_string_equal(line + strspn(line, "x"), "\n");
	}
}

static void
a_kind_of_line_comes_once_a_second(void **state)
{
	struct log_limit limit = {0}, other = {0};
	int fd = new_file();

	(void)state;
	begin(fd);
	for (int i = 0; i < 5; i++)
		log_limited(&limit, LOG_INFO, "line %d", i);
	log_limited(&other, LOG_INFO, "other");
	fake_clock_ns += NS_PER_S - 1;
	log_limited(&limit, LOG_INFO, "line 5");
	fake_clock_ns += 1;
	log_limited(&limit, LOG_INFO, "line 6");
	log_limited(&limit, LOG_INFO, "line 7");
	fake_clock_ns += 100 * NS_PER_S;
	log_limited(&limit, LOG_INFO, "line 8");
	log_limited(&limit, LOG_INFO, "line 9"); /* however long it was quiet: one */
	fake_clock_ns += NS_PER_S;
	log_limited(&other, LOG_INFO, "other");
	assert_int_equal(end(), 0);
	assert_int_equal(limit.suppressed, 1);
	assert_string_equal(contents(fd), "line 0\n"
	                                  "other\n"
	                                  "line 6 suppressed=5\n"
	                                  "line 8 suppressed=1\n"
	                                  "other\n");
}

/* Writes more lines than fit; every one that comes out is whole, and the others are counted. */
static void
check_full(int write_fd, int read_fd)
{
	enum { LINES = 20000 };
	uint64_t lost;
	size_t lines = 0;
	const char *line;

	begin(write_fd);
	for (int i = 0; i < LINES; i++)
		log_line(LOG_INFO, "line %05d of a log that nobody reads", i);
	lost = log_lost() - lost_before;
	for (line = receive(read_fd); *line; line = strchr(line, '\n') + 1, lines++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "line %05zu of a log that nobody reads\n",
		        lines);
		if (strncmp(line, expected, strlen(expected)) != 0)
			break;
	}
	log_line(LOG_INFO, "again");
	receive(read_fd);
	end();
	assert_int_equal(*line, '\0');
	assert_true(lines > 0);
	assert_int_equal(lines + lost, LINES);
	assert_string_equal(got, "again\n");
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
		no_proc = i;
		check_full(ends[1], ends[0]);
	}
	no_proc = false;
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
	begin(ends[1]); /* SIGPIPE would kill the test */
	log_line(LOG_INFO, "a");
	log_line(LOG_INFO, "b");
	assert_int_equal(end(), 2);
	close(ends[1]);
}

static void
what_stderr_does_not_take_is_counted(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	begin(fd);
	log_line(LOG_INFO, "a");
	log_line(LOG_INFO, "b");
	log_line(LOG_DEBUG, "not urgent enough to be lost");
	assert_int_equal(end(), 2);
	close(fd);

	real_stderr = dup(STDERR_FILENO);
	lost_before = log_lost();
	close(STDERR_FILENO);
	log_open();
	log_line(LOG_INFO, "a");
	assert_int_equal(end(), 1);
}

static void
interrupted_writes_are_repeated(void **state)
{
	int fd = new_file();

	(void)state;
	begin(fd);
	interrupts = 3;
	log_line(LOG_INFO, "a");
	assert_int_equal(end(), 0);
	assert_int_equal(interrupts, 0);
	assert_string_equal(contents(fd), "a\n");
}

static void
closing_leaves_nothing_behind(void **state)
{
	int ends[2], before, after;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	before = dup(STDIN_FILENO);
	close(before);
	begin(ends[1]);
	log_line(LOG_INFO, "a");
	end();
	after = dup(STDIN_FILENO);
	close(after);
	assert_int_equal(before, after); /* the lowest that is free */
	assert_string_equal(receive(ends[0]), "a\n");
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(lines_that_are_urgent_enough),
	        cmocka_unit_test(the_journal_gets_priorities),
	        cmocka_unit_test(control_characters_become_question_marks),
	        cmocka_unit_test(long_lines_are_cut),
	        cmocka_unit_test(a_kind_of_line_comes_once_a_second),
	        cmocka_unit_test(a_full_pipe_never_blocks),
	        cmocka_unit_test(a_full_socket_never_blocks),
	        cmocka_unit_test(a_gone_reader_is_no_signal),
	        cmocka_unit_test(what_stderr_does_not_take_is_counted),
	        cmocka_unit_test(interrupted_writes_are_repeated),
	        cmocka_unit_test(closing_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
