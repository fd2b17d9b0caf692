#include "test.h"

#include "echod/common/clock.h"
#include "echod/stat/reader.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What listens at a path; connect(2) is answered by it. */
struct daemon {
	const char *path, *text;
	size_t length;
	bool stays; /* does not end its answer */
	int error;  /* of connect(2) */
	int peer_fd;
};

static struct daemon daemons[4];
static size_t n_daemons;
static int socket_error, read_error, poll_error;
static unsigned allocations; /* that succeed before one fails; 0: all do */
static char *found[8];
static size_t n_found;

int __wrap_socket(int family, int type, int protocol);
int __real_socket(int family, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
ssize_t __wrap_read(int fd, void *data, size_t size);
ssize_t __real_read(int fd, void *data, size_t size);
int __wrap_poll(struct pollfd *polled, nfds_t count, int timeout_ms);
int __real_poll(struct pollfd *polled, nfds_t count, int timeout_ms);
int __wrap_glob(const char *pattern, int flags, int (*on_error)(const char *, int), glob_t *paths);
void __wrap_globfree(glob_t *paths);
void *__wrap_calloc(size_t count, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__real_strdup(const char *text);

int
__wrap_socket(int family, int type, int protocol)
{
	if (socket_error == 0)
		return __real_socket(family, type, protocol);
	errno = socket_error;
	return -1;
}

int
__wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	const char *path = ((const struct sockaddr_un *)address)->sun_path;

	assert_int_equal(length, sizeof(struct sockaddr_un));
	for (size_t i = 0; i < n_daemons; i++) {
		int pair[2];

		if (strcmp(daemons[i].path, path) != 0)
			continue;
		errno = daemons[i].error;
		if (errno)
			return -1;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
		assert_int_equal(dup2(pair[0], fd), fd);
		close(pair[0]);
		send(pair[1], daemons[i].text, daemons[i].length, MSG_DONTWAIT);
		if (daemons[i].stays)
			daemons[i].peer_fd = pair[1];
		else
			close(pair[1]);
		return 0;
	}
	errno = ENOENT;
	return -1;
}

ssize_t
__wrap_read(int fd, void *data, size_t size)
{
	int error = read_error;

	read_error = error == EAGAIN || error == EINTR ? 0 : error;
	if (error == 0)
		return __real_read(fd, data, size);
	errno = error;
	return -1;
}

int
__wrap_poll(struct pollfd *polled, nfds_t count, int timeout_ms)
{
	int error = poll_error;

	poll_error = error == EINTR ? 0 : error;
	if (error == 0)
		return __real_poll(polled, count, timeout_ms);
	for (nfds_t i = 0; i < count; i++)
		polled[i].revents = 0;
	errno = error;
	return -1;
}

int
__wrap_glob(const char *pattern, int flags, int (*on_error)(const char *, int), glob_t *paths)
{
	(void)flags;
	assert_null(on_error);
	assert_string_equal(pattern, "/run/echod/stats*");
	*paths = (glob_t){.gl_pathc = n_found, .gl_pathv = found};
	return n_found > 0 ? 0 : GLOB_NOMATCH;
}

void
__wrap_globfree(glob_t *paths)
{
	(void)paths;
}

static bool
lacks_memory(void)
{
	return allocations > 0 && --allocations == 0;
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return lacks_memory() ? NULL : __real_calloc(count, size);
}

void *
__wrap_reallocarray(void *memory, size_t count, size_t size)
{
	return lacks_memory() ? NULL : __real_reallocarray(memory, count, size);
}

char *
__wrap_strdup(const char *text)
{
	return lacks_memory() ? NULL : __real_strdup(text);
}

static int
setup(void **state)
{
	(void)state;
	memset(daemons, 0, sizeof(daemons));
	n_daemons = n_found = 0;
	socket_error = read_error = poll_error = 0;
	allocations = 0;
	return 0;
}

static struct daemon *
add_daemon(const char *path, const char *text)
{
	struct daemon *daemon = &daemons[n_daemons++];

	*daemon = (struct daemon){.path = path, .text = text, .length = strlen(text)};
	return daemon;
}

static int
read_one(struct reader *reader, const char *path, unsigned timeout_ms)
{
	assert_int_equal(reader_add(reader, path), 0);
	reader_read(reader, timeout_ms);
	return reader->sources[0]->error;
}

static void
instances_are_named_as_the_units_name_their_sockets(void **state)
{
	static const char *const names[][2] = {
	        {"/run/echod/stats", "echod"},
	        {"/run/echod/stats-7", "7"},
	        {"/run/echod/stats-a-b", "a-b"},
	        {"/run/echod/stats-", "/run/echod/stats-"},
	        {"/run/echod/statsx", "/run/echod/statsx"},
	        {"stats", "stats"},
	};
	struct reader reader = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(reader_add(&reader, names[i][0]), 0);
		assert_int_equal(reader_add(&reader, names[i][0]), 0); /* once is enough */
		assert_int_equal(reader.count, i + 1);
		assert_string_equal(reader.sources[i]->instance, names[i][1]);
		assert_string_equal(reader.sources[i]->path, names[i][0]);
	}
	reader_free(&reader);
	assert_int_equal(reader.count, 0);
}

static void
sockets_are_found_and_remembered(void **state)
{
	struct reader reader = {0};
	char first[] = "/run/echod/stats", second[] = "/run/echod/stats-1";

	(void)state;
	assert_int_equal(reader_find(&reader), 0);
	assert_int_equal(reader.count, 0);
	found[0] = second;
	n_found = 1;
	assert_int_equal(reader_find(&reader), 0);
	found[0] = first;
	assert_int_equal(reader_find(&reader), 0);
	n_found = 0;
	assert_int_equal(reader_find(&reader), 0);
	assert_int_equal(reader.count, 2);
	assert_string_equal(reader.sources[0]->instance, "1");
	assert_string_equal(reader.sources[1]->instance, "echod");
	reader_free(&reader);
}

static void
no_more_than_a_thousand_are_found(void **state)
{
	struct reader reader = {0};
	char path[64], one_more[] = "/run/echod/stats-more";

	(void)state;
	for (int i = 0; i < 1024; i++) {
		snprintf(path, sizeof(path), "/run/echod/stats-%d", i);
		assert_int_equal(reader_add(&reader, path), 0);
	}
	found[0] = one_more;
	n_found = 1;
	assert_int_equal(reader_find(&reader), 0);
	assert_int_equal(reader.count, 1024);
	/* one that is named is added; it is read when another one has answered */
	assert_int_equal(reader_add(&reader, one_more), 0);
	reader_read(&reader, 1000);
	assert_int_equal(reader.sources[1024]->error, -ENOENT);
	reader_free(&reader);
}

static void
without_memory_nothing_is_lost(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 4; i++) {
		struct reader reader = {0};
		char path[] = "/run/echod/stats-1";

		allocations = i;
		assert_int_equal(reader_add(&reader, path), -ENOMEM);
		reader_free(&reader);
		found[0] = path;
		n_found = 1;
		allocations = i;
		assert_int_equal(reader_find(&reader), -ENOMEM);
		reader_free(&reader);
	}
}

static void
answers_are_read_to_their_end(void **state)
{
	struct reader reader = {0};

	(void)state;
	add_daemon("a", "echod_connections 1\n");
	add_daemon("b", "echod_connections 2\n");
	for (int i = 0; i < 2; i++) { /* again and again */
		assert_int_equal(read_one(&reader, "a", 60000), 0);
		assert_int_equal(reader_add(&reader, "b"), 0);
	}
	reader_read(&reader, 60000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(reader.sources[i]->error, 0);
		assert_string_equal(reader.sources[i]->text, daemons[i].text);
		assert_int_equal(reader.sources[i]->length, strlen(daemons[i].text));
		assert_int_equal(reader.sources[i]->fd, -1);
	}
	reader_free(&reader);
}

static void
interruptions_are_no_failures(void **state)
{
	struct reader reader = {0};

	(void)state;
	add_daemon("a", "x 1\n");
	for (int i = 0; i < 3; i++) {
		read_error = i == 0 ? EINTR : i == 1 ? EAGAIN : 0;
		poll_error = i == 2 ? EINTR : 0;
		assert_int_equal(read_one(&reader, "a", 60000), 0);
		assert_string_equal(reader.sources[0]->text, "x 1\n");
	}
	reader_free(&reader);
}

static void
what_does_not_answer_says_why(void **state)
{
	static char much[READER_TEXT_SIZE + 100], long_path[200];
	struct reader reader = {0};

	(void)state;
	assert_int_equal(read_one(&reader, "a", 60000), -ENOENT);
	add_daemon("a", "")->error = ECONNREFUSED;
	assert_int_equal(read_one(&reader, "a", 60000), -ECONNREFUSED);
	daemons[0].error = 0; /* and now it ends without a word */
	assert_int_equal(read_one(&reader, "a", 60000), -EBADMSG);
	daemons[0] = (struct daemon){.path = "a", .text = "x 1\nx 2", .length = 7};
	assert_int_equal(read_one(&reader, "a", 60000), -EBADMSG);
	assert_string_equal(reader.sources[0]->text, "");
	/* more than any daemon says: cut, and not at the end of a line */
	memset(much, 'x', sizeof(much));
	daemons[0] = (struct daemon){.path = "a", .text = much, .length = sizeof(much)};
	assert_int_equal(read_one(&reader, "a", 60000), -EBADMSG);
	daemons[0] = (struct daemon){.path = "a", .text = "x 1\n", .length = 4, .stays = true};
	assert_int_equal(read_one(&reader, "a", 20), -ETIMEDOUT);
	close(daemons[0].peer_fd);
	daemons[0].stays = false;
	read_error = ECONNRESET;
	assert_int_equal(read_one(&reader, "a", 60000), -ECONNRESET);
	read_error = 0;
	poll_error = ENOMEM;
	assert_int_equal(read_one(&reader, "a", 60000), -ETIMEDOUT);
	poll_error = 0;
	socket_error = EMFILE;
	assert_int_equal(read_one(&reader, "a", 60000), -EMFILE);
	socket_error = 0;
	assert_int_equal(read_one(&reader, "a", 60000), 0);
	reader_free(&reader);
	memset(long_path, 'a', sizeof(long_path) - 1);
	assert_int_equal(read_one(&reader, long_path, 60000), -ENAMETOOLONG);
	reader_free(&reader);
}

static void
samples_of_a_family_are_summed_up(void **state)
{
	static struct reader_source source;

	(void)state;
	assert_int_equal(reader_sum(&source, "a"), 0);
	strcpy(source.text, "# HELP a 5\n# TYPE a counter\na 7\naa 100\na{reason=\"x\"} 20\n"
	                    "a{reason=\"z\"} 300\nb 9\na 18446744073709551000\n");
	assert_int_equal(reader_sum(&source, "b"), 9);
	assert_int_equal(reader_sum(&source, "aa"), 100);
	assert_int_equal(reader_sum(&source, "c"), 0);
	*strstr(source.text, "b 9") = '\0';
	assert_int_equal(reader_sum(&source, "a"), 327);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(instances_are_named_as_the_units_name_their_sockets, setup),
	        cmocka_unit_test_setup(sockets_are_found_and_remembered, setup),
	        cmocka_unit_test_setup(no_more_than_a_thousand_are_found, setup),
	        cmocka_unit_test_setup(without_memory_nothing_is_lost, setup),
	        cmocka_unit_test_setup(answers_are_read_to_their_end, setup),
	        cmocka_unit_test_setup(interruptions_are_no_failures, setup),
	        cmocka_unit_test_setup(what_does_not_answer_says_why, setup),
	        cmocka_unit_test_setup(samples_of_a_family_are_summed_up, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
