#include "echod/stat/reader.h"

#include "echod/common/clock.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEM_PATH "/run/echod/stats"

enum {
	MOST_SOURCES = 1024,
};

/* The path itself where the units' names say nothing. */
static const char *
instance_of(const char *path)
{
	size_t length = strlen(SYSTEM_PATH);

	if (strncmp(path, SYSTEM_PATH, length) != 0)
		return path;
	if (path[length] == '\0')
		return "echod";
	return path[length] == '-' && path[length + 1] ? path + length + 1 : path;
}

int
reader_add(struct reader *reader, const char *path)
{
	struct reader_source **more, *source;

	for (size_t i = 0; i < reader->count; i++)
		if (strcmp(reader->sources[i]->path, path) == 0)
			return 0;
	more = reallocarray(reader->sources, reader->count + 1, sizeof(struct reader_source *));
	if (!more)
		return -ENOMEM;
	reader->sources = more;
	source = calloc(1, sizeof(*source));
	if (!source)
		return -ENOMEM;
	more[reader->count++] = source;
	source->fd = -1;
	source->path = strdup(path);
	source->instance = strdup(instance_of(path));
	return source->path && source->instance ? 0 : -ENOMEM;
}

int
reader_find(struct reader *reader)
{
	glob_t found;
	int error = 0;

	if (glob(SYSTEM_PATH "*", 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && !error; i++)
			if (reader->count < MOST_SOURCES)
				error = reader_add(reader, found.gl_pathv[i]);
	globfree(&found);
	return error;
}

static void
stop_reading(struct reader_source *source, int error)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
	source->error = error;
	if (error)
		source->length = 0;
	source->text[source->length] = '\0';
}

static void
start_reading(struct reader_source *source)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	source->length = 0;
	if (strlen(source->path) >= sizeof(address.sun_path)) {
		stop_reading(source, -ENAMETOOLONG);
		return;
	}
	memcpy(address.sun_path, source->path, strlen(source->path) + 1);
	source->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (source->fd < 0 ||
	        connect(source->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		stop_reading(source, -errno);
}

/* Reads what there is. The end comes after a whole line, or the answer was cut short. */
static void
read_some(struct reader_source *source)
{
	size_t room = sizeof(source->text) - 1 - source->length;
	ssize_t length = read(source->fd, source->text + source->length, room);

	if (length > 0)
		source->length += (size_t)length;
	else if (length == 0)
		stop_reading(source, source->length > 0 && source->text[source->length - 1] == '\n'
		                             ? 0
		                             : -EBADMSG);
	else if (errno != EAGAIN && errno != EINTR)
		stop_reading(source, -errno);
}

/* Returns whether something is still to be read. */
static bool
wait_and_read(struct reader *reader, int timeout_ms)
{
	struct pollfd polled[MOST_SOURCES];
	struct reader_source *waiting[MOST_SOURCES];
	nfds_t n = 0;

	for (size_t i = 0; i < reader->count && n < MOST_SOURCES; i++)
		if (reader->sources[i]->fd >= 0) {
			waiting[n] = reader->sources[i];
			polled[n++] =
			        (struct pollfd){.fd = reader->sources[i]->fd, .events = POLLIN};
		}
	if (n == 0 || (poll(polled, n, timeout_ms) < 0 && errno != EINTR))
		return false;
	for (nfds_t i = 0; i < n; i++)
		if (polled[i].revents)
			read_some(waiting[i]);
	return true;
}

void
reader_read(struct reader *reader, unsigned timeout_ms)
{
	uint64_t end_ns = clock_now_ns() + timeout_ms * NS_PER_MS, now_ns;

	for (size_t i = 0; i < reader->count; i++)
		start_reading(reader->sources[i]);
	while ((now_ns = clock_now_ns()) < end_ns)
		if (!wait_and_read(reader, (int)((end_ns - now_ns) / NS_PER_MS) + 1))
			break;
	for (size_t i = 0; i < reader->count; i++)
		if (reader->sources[i]->fd >= 0)
			stop_reading(reader->sources[i], -ETIMEDOUT);
}

void
reader_free(struct reader *reader)
{
	for (size_t i = 0; i < reader->count; i++) {
		free(reader->sources[i]->path);
		free(reader->sources[i]->instance);
		free(reader->sources[i]);
	}
	free(reader->sources);
	*reader = (struct reader){0};
}

uint64_t
reader_sum(const struct reader_source *source, const char *family)
{
	size_t length = strlen(family);
	uint64_t sum = 0;

	for (const char *line = source->text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, family, length) == 0 &&
		        (line[length] == ' ' || line[length] == '{'))
			sum += strtoull(line + length + strcspn(line + length, " \n"), NULL, 10);
	}
	return sum;
}
