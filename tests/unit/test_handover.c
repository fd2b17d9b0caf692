#include "echod/handover.h"

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct handover_writer writer;
static char problem[256];

/* How the system calls behave. */
static struct {
	size_t most_at_once; /* bytes that a write takes; 0: all */
	int write_error;     /* errno of writes */
	int interrupts;      /* so many writes fail with EINTR first */
	bool writes_nothing; /* write(2) returns 0 */
	size_t writes;
} calls;

ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __real_write(int fd, const void *bytes, size_t size);

ssize_t
__wrap_write(int fd, const void *bytes, size_t size)
{
	if (fd != writer.state_fd)
		return __real_write(fd, bytes, size);
	calls.writes++;
	errno = calls.interrupts > 0 ? EINTR : calls.write_error;
	if (calls.interrupts-- > 0 || calls.write_error)
		return -1;
	if (calls.writes_nothing) {
		errno = EINTR; /* says nothing then */
		return 0;
	}
	if (calls.most_at_once && size > calls.most_at_once)
		size = calls.most_at_once;
	return __real_write(fd, bytes, size);
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
	unsigned char resident;
	void *mapped;

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
	assert_int_equal(handover.rings, 1);
	assert_int_equal(handover.ring_bytes, 14);

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
	mapped = handover.bytes;
	handover_free(&handover);
	assert_int_equal(mincore(mapped, 1, &resident), -1); /* not mapped any more */
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
	assert_int_equal(fstat(state_fd, &status), 0);
	assert_int_equal(status.st_nlink, 0);
	assert_int_equal(status.st_mode, S_IFREG | 0600);
	assert_int_equal(fcntl(state_fd, F_GETFD), 0); /* stays open across execve(2) */
	assert_int_equal(rmdir(directory), 0);         /* nothing is in it */
	close(state_fd);
	assert_int_equal(handover_create(), -ENOENT);
	unsetenv("RUNTIME_DIRECTORY");
	state_fd = handover_create();
	assert_int_equal(fcntl(state_fd, F_GETFD), 0);
	close(state_fd);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
