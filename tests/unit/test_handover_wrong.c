#include "echod/handover.h"

#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char problem[256];
static int stat_error, map_error; /* of the system calls */
static int state_fd;

int __wrap_fstat(int fd, struct stat *status);
int __real_fstat(int fd, struct stat *status);
void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);

int
__wrap_fstat(int fd, struct stat *status)
{
	errno = stat_error;
	return stat_error ? -1 : __real_fstat(fd, status);
}

void *
__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	errno = map_error;
	return map_error ? MAP_FAILED : __real_mmap(at, length, protection, flags, fd, offset);
}

/* Writes the bytes to a file, and says what handover_open() finds wrong with them. */
static const char *
wrong_with(const void *bytes, size_t length)
{
	struct handover handover;
	int error;

	state_fd = memfd_create("state", 0);
	assert_true(write(state_fd, bytes, length) == (ssize_t)length);
	problem[0] = '\0';
	error = handover_open(&handover, state_fd, problem, sizeof(problem));
	assert_true((error < 0) == (problem[0] != '\0'));
	handover_free(&handover);
	close(state_fd);
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
	state_fd = memfd_create("state", 0);
	assert_true(write(state_fd, &old, sizeof(old)) == sizeof(old));
	assert_int_equal(handover_open(&handover, state_fd, problem, sizeof(problem)), 0);
	assert_true(handover_next(&handover, &offset, &record));
	assert_int_equal(record.connection.peer_fd, 0x01010101);
	assert_int_equal(record.connection.sent, 0);
	assert_int_equal(record.connection.waiting_since, 0);
	assert_int_equal(record.tail_size, 64);
	handover_free(&handover);
	close(state_fd);
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
	state_fd = memfd_create("state", 0);
	assert_true(write(state_fd, &bad, 32 + 64) == 32 + 64);
	assert_true(pwritev(state_fd, &end, 1, (off_t)(32 + 64 + tail)) == 16);
	assert_int_equal(handover_open(&handover, state_fd, problem, sizeof(problem)), -EINVAL);
	assert_string_equal(problem, "a connection with too many bytes, at byte 16");
	handover_free(&handover);
	close(state_fd);
}

static void
what_the_kernel_refuses_is_told(void **state)
{
	struct image good = image();
	struct handover handover;

	(void)state;
	stat_error = EIO;
	assert_string_equal(wrong_with(&good, sizeof(good)), strerror(EIO));
	stat_error = 0;
	map_error = ENOMEM;
	assert_string_equal(wrong_with(&good, sizeof(good)), strerror(ENOMEM));
	map_error = 0;
	assert_int_equal(handover_open(&handover, -1, problem, sizeof(problem)), -EBADF);
	assert_null(handover.bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(anything_wrong_is_told),
	        cmocka_unit_test(values_are_checked),
	        cmocka_unit_test(shorter_records_are_completed),
	        cmocka_unit_test(a_connection_with_too_many_bytes_is_refused),
	        cmocka_unit_test(what_the_kernel_refuses_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
