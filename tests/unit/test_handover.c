#include "echod/handover.h"

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct handover_writer writer;
static char problem[256];

/* How the system calls behave. */
static struct {
	size_t most_at_once; /* bytes that a write takes; 0: all */
	int write_error;     /* errno of writes */
	int interrupts;      /* so many writes fail with EINTR first */
	bool writes_nothing; /* write(2) returns 0 */
	int stat_error, map_error;
	size_t writes;
} calls;

ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __real_write(int fd, const void *bytes, size_t size);
int __wrap_fstat(int fd, struct stat *status);
int __real_fstat(int fd, struct stat *status);
void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);

ssize_t
__wrap_write(int fd, const void *bytes, size_t size)
{
	if (fd != writer.state_fd)
		return __real_write(fd, bytes, size);
	calls.writes++;
	errno = calls.interrupts > 0 ? EINTR : calls.write_error;
	if (calls.interrupts-- > 0 || calls.write_error)
		return -1;
	if (calls.writes_nothing)
		return 0;
	if (calls.most_at_once && size > calls.most_at_once)
		size = calls.most_at_once;
	return __real_write(fd, bytes, size);
}

int
__wrap_fstat(int fd, struct stat *status)
{
	errno = calls.stat_error;
	return calls.stat_error ? -1 : __real_fstat(fd, status);
}

void *
__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	errno = calls.map_error;
	return calls.map_error ? MAP_FAILED
	                       : __real_mmap(at, length, protection, flags, fd, offset);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&calls, 0, sizeof(calls));
	unsetenv("RUNTIME_DIRECTORY");
	return 0;
}

static void
begin(void)
{
	int state_fd = handover_create();

	assert_true(state_fd >= 0);
	handover_begin(&writer, state_fd);
}

static void
write_text(enum handover_kind kind, const char *text)
{
	struct handover_span span = {text, strlen(text)};

	handover_write(&writer, kind, NULL, &span, 1);
}

static void
write_connection(
        int peer_fd, const void *first, size_t n_first, const void *second, size_t n_second)
{
	const struct handover_connection connection = {.peer_fd = peer_fd, .sent = 7};
	const struct handover_span spans[2] = {{first, n_first}, {second, n_second}};

	handover_write(&writer, HANDOVER_CONNECTION, &connection, spans, 2);
}

static void
expect_text(
        const struct handover *handover, size_t *offset, enum handover_kind kind, const char *text)
{
	struct handover_record record;

	assert_true(handover_next(handover, offset, &record));
	assert_int_equal(record.kind, kind);
	assert_int_equal(record.tail_size, strlen(text));
	assert_memory_equal(record.tail, text, strlen(text));
}

static void
what_was_written_is_read(void **state)
{
	const struct handover_daemon daemon = {1, 2, 3, 4, 5};
	const struct handover_listener listener = {
	        .listen_fd = 5, .flags = HANDOVER_DUAL_STACK, .drops = 9};
	struct handover_record record;
	struct handover handover;
	size_t offset = 0;

	(void)state;
	begin();
	handover_write(&writer, HANDOVER_DAEMON, &daemon, NULL, 0);
	write_text(HANDOVER_ARGUMENT, "--port=7");
	write_text(HANDOVER_ARGUMENT, "");
	write_text(HANDOVER_COUNTERS, "tcp_open=1");
	handover_write(&writer, HANDOVER_LISTENER, &listener, NULL, 0);
	write_connection(6, "wrapped ", 8, "around", 6);
	write_connection(8, NULL, 0, NULL, 0);
	assert_int_equal(handover_end(&writer), 0);
	assert_int_equal(handover_open(&handover, writer.state_fd, problem, sizeof(problem)), 0);
	close(writer.state_fd);
	assert_int_equal(handover.connections, 2);

	assert_true(handover_next(&handover, &offset, &record));
	assert_int_equal(record.kind, HANDOVER_DAEMON);
	assert_memory_equal(&record.daemon, &daemon, sizeof(daemon));
	expect_text(&handover, &offset, HANDOVER_ARGUMENT, "--port=7");
	expect_text(&handover, &offset, HANDOVER_ARGUMENT, "");
	expect_text(&handover, &offset, HANDOVER_COUNTERS, "tcp_open=1");
	assert_true(handover_next(&handover, &offset, &record));
	assert_int_equal(record.kind, HANDOVER_LISTENER);
	assert_memory_equal(&record.listener, &listener, sizeof(listener));
	assert_true(handover_next(&handover, &offset, &record));
	assert_int_equal(record.connection.peer_fd, 6);
	assert_int_equal(record.connection.sent, 7);
	assert_int_equal(record.tail_size, 14);
	assert_memory_equal(record.tail, "wrapped around", 14);
	assert_true(handover_next(&handover, &offset, &record));
	assert_int_equal(record.connection.peer_fd, 8);
	assert_int_equal(record.tail_size, 0);
	assert_false(handover_next(&handover, &offset, &record));
	handover_free(&handover);
	handover_free(&handover);
}

/* Small writes are gathered; large tails pass the buffer by. */
static void
few_writes_are_made(void **state)
{
	static unsigned char large[200000];
	struct handover_record record;
	struct handover handover;
	size_t offset = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (unsigned char)(i * 7);
	begin();
	for (int i = 0; i < 1000; i++)
		write_connection(i, NULL, 0, NULL, 0);
	assert_int_equal(calls.writes, 1); /* 80 bytes each, 64 KiB at once */
	write_connection(1000, large, sizeof(large), "end", 3);
	assert_int_equal(handover_end(&writer), 0);
	assert_int_equal(calls.writes, 4);
	assert_int_equal(handover_open(&handover, writer.state_fd, problem, sizeof(problem)), 0);
	assert_int_equal(handover.connections, 1001);
	for (int i = 0; i <= 1000; i++) {
		assert_true(handover_next(&handover, &offset, &record));
		assert_int_equal(record.connection.peer_fd, i);
	}
	assert_int_equal(record.tail_size, sizeof(large) + 3);
	assert_memory_equal(record.tail, large, sizeof(large));
	assert_memory_equal(record.tail + sizeof(large), "end", 3);
	handover_free(&handover);
	close(writer.state_fd);
}

static void
short_writes_go_on(void **state)
{
	struct handover handover;

	(void)state;
	calls.most_at_once = 3;
	calls.interrupts = 2;
	begin();
	write_connection(6, "bytes", 5, NULL, 0);
	assert_int_equal(handover_end(&writer), 0);
	assert_int_equal(handover_open(&handover, writer.state_fd, problem, sizeof(problem)), 0);
	assert_int_equal(handover.connections, 1);
	handover_free(&handover);
	close(writer.state_fd);
}

/* The first error is the one that is told, and nothing is written after it. */
static void
errors_are_kept(void **state)
{
	static unsigned char large[200000];

	(void)state;
	calls.write_error = ENOSPC;
	begin();
	write_connection(6, large, sizeof(large), large, sizeof(large));
	calls.write_error = 0;
	assert_int_equal(handover_end(&writer), -ENOSPC);
	assert_int_equal(calls.writes, 1);
	close(writer.state_fd);

	calls.writes_nothing = true;
	begin();
	assert_int_equal(handover_end(&writer), -EIO);
	close(writer.state_fd);
}

static void
the_file_has_no_name(void **state)
{
	char directory[] = "/tmp/handover-XXXXXX";
	struct stat status;
	int state_fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	setenv("RUNTIME_DIRECTORY", directory, 1);
	state_fd = handover_create();
	assert_true(state_fd >= 0);
	assert_int_equal(__real_fstat(state_fd, &status), 0);
	assert_int_equal(status.st_nlink, 0);
	assert_int_equal(fcntl(state_fd, F_GETFD), 0); /* stays open across execve(2) */
	assert_int_equal(rmdir(directory), 0);         /* nothing is in it */
	close(state_fd);
	assert_int_equal(handover_create(), -ENOENT);
	unsetenv("RUNTIME_DIRECTORY");
	state_fd = handover_create();
	assert_int_equal(fcntl(state_fd, F_GETFD), 0);
	close(state_fd);
}

/* Writes the bytes to a file, and says what handover_open() finds wrong with them. */
static const char *
wrong_with(const void *bytes, size_t length)
{
	struct handover handover;
	int error;

	writer.state_fd = handover_create();
	assert_true(__real_write(writer.state_fd, bytes, length) == (ssize_t)length);
	problem[0] = '\0';
	error = handover_open(&handover, writer.state_fd, problem, sizeof(problem));
	assert_true((error < 0) == (problem[0] != '\0'));
	handover_free(&handover);
	close(writer.state_fd);
	return problem;
}

struct image {
	char magic[8];
	uint32_t version, reserved;
	uint32_t kind, fixed;
	uint64_t tail;
	unsigned char rest[72];
	uint32_t end_kind, end_fixed;
	uint64_t end_tail;
};

/* A connection without bytes, then the end. */
static struct image
image(void)
{
	struct image made = {.magic = "echod 1",
	        .version = HANDOVER_VERSION,
	        .kind = HANDOVER_CONNECTION,
	        .fixed = 64,
	        .tail = 8};

	return made;
}

static void
anything_wrong_is_told(void **state)
{
	struct image bad = image();

	(void)state;
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "");
	assert_string_equal(wrong_with("", 0), "no state of echod");
	assert_string_equal(wrong_with(&bad, 15), "no state of echod");
	assert_string_equal(wrong_with(&bad, 16), "the end is missing, at byte 16");
	assert_string_equal(wrong_with(&bad, 32), "a record that is cut short, at byte 16");
	assert_string_equal(wrong_with(&bad, 32 + 64), "a record that is cut short, at byte 16");
	bad.tail = 7; /* and one byte of padding */
	assert_string_equal(wrong_with(&bad, 32 + 71), "a record that is cut short, at byte 16");
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "");
	bad.tail = UINT64_MAX - 3;
	assert_string_equal(
	        wrong_with(&bad, sizeof(bad)), "a record that is cut short, at byte 16");
	bad = image();
	bad.magic[0] = 'E';
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "no state of echod");
	bad = image();
	bad.version = 0;
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "version 0; this program reads 1 to 1");
	bad.version = HANDOVER_VERSION + 1;
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "version 2; this program reads 1 to 1");
	bad = image();
	bad.kind = HANDOVER_KINDS;
	assert_string_equal(
	        wrong_with(&bad, sizeof(bad)), "a record of an unknown kind, at byte 16");
	bad = image();
	bad.fixed = 72;
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "a record of another size, at byte 16");
	bad.fixed = 52;
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "a record of another size, at byte 16");
	bad = image();
	bad.end_kind = HANDOVER_CONNECTION;
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "the end is missing, at byte 120");
	bad = image();
	bad.kind = HANDOVER_END;
	bad.fixed = 0;
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "something follows the end, at byte 40");
}

static void
values_are_checked(void **state)
{
	struct image bad = image();

	(void)state;
	memset(bad.rest, 0xff, 4);
	assert_string_equal(
	        wrong_with(&bad, sizeof(bad)), "a connection without a descriptor, at byte 16");
	bad.kind = HANDOVER_LISTENER;
	bad.fixed = 40;
	bad.tail = 32;
	assert_string_equal(
	        wrong_with(&bad, sizeof(bad)), "a listener without a descriptor, at byte 16");
	memset(bad.rest, 0, 4);
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "");
	bad.fixed = 0;
	bad.tail = 72;
	bad.kind = HANDOVER_ARGUMENT;
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "text with a NUL, at byte 16");
	memset(bad.rest, 'x', sizeof(bad.rest));
	assert_string_equal(wrong_with(&bad, sizeof(bad)), "");
}

/* A record of an earlier version is shorter; what it does not have is 0. */
static void
shorter_records_are_completed(void **state)
{
	struct handover_record record;
	struct image old = image();
	struct handover handover;
	size_t offset = 0;

	(void)state;
	memset(old.rest, 1, sizeof(old.rest));
	old.fixed = 8;
	old.tail = 64;
	writer.state_fd = handover_create();
	assert_true(__real_write(writer.state_fd, &old, sizeof(old)) == sizeof(old));
	assert_int_equal(handover_open(&handover, writer.state_fd, problem, sizeof(problem)), 0);
	assert_true(handover_next(&handover, &offset, &record));
	assert_int_equal(record.connection.peer_fd, 0x01010101);
	assert_int_equal(record.connection.sent, 0);
	assert_int_equal(record.connection.waiting_since, 0);
	assert_int_equal(record.tail_size, 64);
	handover_free(&handover);
	close(writer.state_fd);
}

/* A ring has at most 2^32 - 1 bytes. The file is sparse. */
static void
a_connection_with_too_many_bytes_is_refused(void **state)
{
	struct image bad = image();
	struct handover handover;
	const uint64_t tail = (uint64_t)UINT32_MAX + 1;
	const struct iovec end = {.iov_base = &bad.end_kind, .iov_len = 16};

	(void)state;
	bad.tail = tail;
	writer.state_fd = handover_create();
	assert_true(__real_write(writer.state_fd, &bad, 32 + 64) == 32 + 64);
	assert_true(pwritev(writer.state_fd, &end, 1, (off_t)(32 + 64 + tail)) == 16);
	assert_int_equal(
	        handover_open(&handover, writer.state_fd, problem, sizeof(problem)), -EINVAL);
	assert_string_equal(problem, "a connection with too many bytes, at byte 16");
	handover_free(&handover);
	close(writer.state_fd);
}

static void
what_the_kernel_refuses_is_told(void **state)
{
	struct image good = image();

	(void)state;
	calls.stat_error = EIO;
	assert_string_equal(wrong_with(&good, sizeof(good)), strerror(EIO));
	calls.stat_error = 0;
	calls.map_error = ENOMEM;
	assert_string_equal(wrong_with(&good, sizeof(good)), strerror(ENOMEM));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(what_was_written_is_read, set_up),
	        cmocka_unit_test_setup(few_writes_are_made, set_up),
	        cmocka_unit_test_setup(short_writes_go_on, set_up),
	        cmocka_unit_test_setup(errors_are_kept, set_up),
	        cmocka_unit_test_setup(the_file_has_no_name, set_up),
	        cmocka_unit_test_setup(anything_wrong_is_told, set_up),
	        cmocka_unit_test_setup(values_are_checked, set_up),
	        cmocka_unit_test_setup(shorter_records_are_completed, set_up),
	        cmocka_unit_test_setup(a_connection_with_too_many_bytes_is_refused, set_up),
	        cmocka_unit_test_setup(what_the_kernel_refuses_is_told, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
