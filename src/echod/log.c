#include "echod/log.h"

#include "echod/common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LINE_SIZE = 4096, /* PIPE_BUF: a pipe takes such a write whole or not at all (pipe(7)) */
};

static struct {
	int fd;
	bool is_socket, is_shared, is_journal;
	int threshold;
	uint64_t lost;
} log_state = {.fd = STDERR_FILENO, .threshold = LOG_INFO};

static bool
journal_reads(const struct stat *status)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];

	snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)status->st_dev,
	        (unsigned long long)status->st_ino);
	return stream && strcmp(stream, own) == 0;
}

/*
 * O_NONBLOCK belongs to the open file description, which a shell or another daemon may share. So a
 * pipe or terminal is opened again; a socket takes MSG_DONTWAIT; a file never waits for a reader.
 * What cannot be opened (no /proc, another user's terminal) gets the flag for each write alone.
 */
void
log_open(void)
{
	struct stat status;
	int own_fd;

	if (fstat(STDERR_FILENO, &status) < 0)
		return;
	log_state.is_journal = journal_reads(&status);
	log_state.is_socket = S_ISSOCK(status.st_mode);
	if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
		return;
	own_fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own_fd >= 0)
		log_state.fd = own_fd;
	else
		log_state.is_shared = true;
}

void
log_close(void)
{
	if (log_state.fd != STDERR_FILENO)
		close(log_state.fd);
	log_state.fd = STDERR_FILENO;
	log_state.is_shared = false;
	log_state.lost = 0;
}

void
log_set_threshold(int priority)
{
	log_state.threshold = priority;
}

static ssize_t
write_now(const char *line, size_t length)
{
	ssize_t written;
	int flags;

	if (log_state.is_socket)
		return send(log_state.fd, line, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!log_state.is_shared)
		return write(log_state.fd, line, length);
	flags = fcntl(log_state.fd, F_GETFL);
	fcntl(log_state.fd, F_SETFL, flags | O_NONBLOCK);
	written = write(log_state.fd, line, length);
	fcntl(log_state.fd, F_SETFL, flags);
	return written;
}

static void
write_line(const char *line, size_t length)
{
	ssize_t written;

	do
		written = write_now(line, length);
	while (written < 0 && errno == EINTR);
	if (written != (ssize_t)length)
		log_state.lost++;
}

static void format_line(int priority, uint64_t suppressed, const char *format, va_list arguments)
        __attribute__((format(printf, 3, 0)));

static void
format_line(int priority, uint64_t suppressed, const char *format, va_list arguments)
{
	char line[LINE_SIZE];
	size_t length = 0, start;
	const size_t room = sizeof(line) - sizeof(" suppressed=18446744073709551615\n");

	if (log_state.is_journal)
		length = (size_t)snprintf(line, sizeof(line), "<%d>", priority);
	start = length;
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): both callers have started it */
	length += (size_t)vsnprintf(line + length, room - length, format, arguments);
	if (length >= room)
		length = room - 1;
	for (size_t i = start; i < length; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	if (suppressed)
		length += (size_t)snprintf(line + length, sizeof(line) - length, " suppressed=%llu",
		        (unsigned long long)suppressed);
	line[length++] = '\n';
	write_line(line, length);
}

void
log_line(int priority, const char *format, ...)
{
	va_list arguments;

	if (priority > log_state.threshold)
		return;
	va_start(arguments, format);
	format_line(priority, 0, format, arguments);
	va_end(arguments);
}

void
log_limited(struct log_limit *limit, int priority, const char *format, ...)
{
	const struct bucket_rule one_a_second = bucket_rule(1, 1);
	va_list arguments;

	if (priority > log_state.threshold)
		return;
	if (!bucket_take(&limit->bucket, &one_a_second, clock_now_ns(), 1)) {
		limit->suppressed++;
		return;
	}
	va_start(arguments, format);
	format_line(priority, limit->suppressed, format, arguments);
	va_end(arguments);
	limit->suppressed = 0;
}

char *
log_value(const char *value, char text[LOG_VALUE_SIZE])
{
	bool quoted = *value == '\0' || strpbrk(value, " =\"\\");
	size_t length = 0;

	if (quoted)
		text[length++] = '"';
	/* room for a character and its backslash, the last quote and NUL */
	for (; *value && length + 4 <= LOG_VALUE_SIZE; value++) {
		if (*value == '"' || *value == '\\')
			text[length++] = '\\';
		text[length++] = *value;
	}
	if (quoted)
		text[length++] = '"';
	text[length] = '\0';
	return text;
}

char *
log_address(const struct address *address, char text[LOG_VALUE_SIZE])
{
	char plain[ADDRESS_TEXT_SIZE];

	return log_value(address_format(address, plain, sizeof(plain)), text);
}

uint64_t
log_lost(void)
{
	return log_state.lost;
}
