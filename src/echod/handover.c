#include "echod/handover.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "echod 1"; /* never changes; what follows it is the version */

struct file_header {
	char magic[8];
	uint32_t version;
	uint32_t reserved; /* 0 */
};

struct record_header {
	uint32_t kind;
	uint32_t fixed; /* bytes */
	uint64_t tail;  /* bytes; zeros follow up to a multiple of 8 */
};

/* Layouts that are written may grow at their ends, and never change otherwise. */
static_assert(sizeof(struct handover_daemon) == 32, "version 1");
static_assert(sizeof(struct handover_listener) == 40, "version 1");
static_assert(sizeof(struct handover_connection) == 64, "version 1");
static_assert(sizeof(struct handover_tokens) == 24, "version 1");

static const size_t fixed_sizes[HANDOVER_KINDS] = {
        [HANDOVER_DAEMON] = sizeof(struct handover_daemon),
        [HANDOVER_LISTENER] = sizeof(struct handover_listener),
        [HANDOVER_CONNECTION] = sizeof(struct handover_connection),
        [HANDOVER_TOKENS] = sizeof(struct handover_tokens),
};

int
handover_create(void)
{
	const char *directory = getenv("RUNTIME_DIRECTORY");
	int state_fd = directory ? open(directory, O_TMPFILE | O_EXCL | O_RDWR, 0600)
	                         : memfd_create("echod-state", 0);

	return state_fd < 0 ? -errno : state_fd;
}

static void
write_out(struct handover_writer *writer, const unsigned char *bytes, size_t length)
{
	while (length > 0 && !writer->error) {
		ssize_t written = write(writer->state_fd, bytes, length);

		if (written > 0) {
			bytes += written;
			length -= (size_t)written;
		} else if (written == 0 || errno != EINTR) {
			writer->error = written == 0 ? -EIO : -errno;
		}
	}
}

static void
put(struct handover_writer *writer, const void *bytes, size_t length)
{
	if (length > sizeof(writer->buffer) - writer->used) {
		write_out(writer, writer->buffer, writer->used);
		writer->used = 0;
	}
	if (length > sizeof(writer->buffer)) {
		write_out(writer, bytes, length);
		return;
	}
	if (length > 0)
		memcpy(writer->buffer + writer->used, bytes, length);
	writer->used += length;
}

void
handover_begin(struct handover_writer *writer, int state_fd)
{
	struct file_header header = {.version = HANDOVER_VERSION};

	writer->state_fd = state_fd;
	writer->error = 0;
	writer->used = 0;
	memcpy(header.magic, magic, sizeof(magic));
	put(writer, &header, sizeof(header));
}

static size_t
padding(size_t length)
{
	return -length % 8;
}

void
handover_write(struct handover_writer *writer, enum handover_kind kind, const void *record,
        const struct handover_span *spans, size_t n_spans)
{
	static const unsigned char zeros[8];
	struct record_header header = {.kind = kind, .fixed = (uint32_t)fixed_sizes[kind]};

	for (size_t i = 0; i < n_spans; i++)
		header.tail += spans[i].size;
	put(writer, &header, sizeof(header));
	put(writer, record, header.fixed);
	for (size_t i = 0; i < n_spans; i++)
		put(writer, spans[i].bytes, spans[i].size);
	put(writer, zeros, padding(header.tail));
}

int
handover_end(struct handover_writer *writer)
{
	handover_write(writer, HANDOVER_END, NULL, NULL, 0);
	write_out(writer, writer->buffer, writer->used);
	return writer->error;
}

bool
handover_next(const struct handover *handover, size_t *offset, struct handover_record *record)
{
	const unsigned char *at;
	struct record_header header;

	if (*offset == 0)
		*offset = sizeof(struct file_header);
	at = handover->bytes + *offset;
	memcpy(&header, at, sizeof(header));
	*record = (struct handover_record){
	        .kind = header.kind,
	        .tail = at + sizeof(header) + header.fixed,
	        .tail_size = header.tail,
	};
	memcpy(record->fixed, at + sizeof(header), header.fixed);
	*offset += sizeof(header) + header.fixed + header.tail + padding(header.tail);
	return record->kind != HANDOVER_END;
}

static const char *
record_problem(const struct record_header *header, size_t left)
{
	if (header->kind >= HANDOVER_KINDS)
		return "a record of an unknown kind";
	if (header->fixed % 8 != 0 || header->fixed > fixed_sizes[header->kind])
		return "a record of another size";
	if (header->fixed > left || header->tail > left - header->fixed ||
	        padding(header->tail) > left - header->fixed - header->tail)
		return "a record that is cut short";
	return NULL;
}

/* What the values of a record, whose size is right, may not be. */
static const char *
value_problem(const struct handover_record *record)
{
	switch (record->kind) {
	case HANDOVER_LISTENER:
		return record->listener.listen_fd < 0 ? "a listener without a descriptor" : NULL;
	case HANDOVER_CONNECTION:
		if (record->connection.peer_fd < 0)
			return "a connection without a descriptor";
		return record->tail_size > UINT32_MAX ? "a connection with too many bytes" : NULL;
	case HANDOVER_ARGUMENT:
	case HANDOVER_COUNTERS:
		return memchr(record->tail, '\0', record->tail_size) ? "text with a NUL" : NULL;
	case HANDOVER_END:
	case HANDOVER_DAEMON:
	case HANDOVER_TOKENS:
	case HANDOVER_KINDS:
	default:
		return NULL;
	}
}

static void
count_connection(struct handover *handover, size_t bytes)
{
	handover->connections++;
	handover->rings += bytes > 0;
	if (bytes > handover->ring_bytes)
		handover->ring_bytes = (uint32_t)bytes;
}

/* Goes through the file once. Returns NULL or what is wrong at *offset. */
static const char *
find_problem(struct handover *handover, size_t *offset)
{
	struct handover_record record = {.kind = HANDOVER_DAEMON};
	struct record_header header;
	const char *problem;

	*offset = sizeof(struct file_header);
	while (record.kind != HANDOVER_END) {
		size_t begin = *offset, left = handover->size - begin;

		if (left < sizeof(header))
			return "the end is missing";
		memcpy(&header, handover->bytes + begin, sizeof(header));
		problem = record_problem(&header, left - sizeof(header));
		if (problem)
			return problem;
		handover_next(handover, offset, &record);
		problem = value_problem(&record);
		if (problem) {
			*offset = begin;
			return problem;
		}
		if (record.kind == HANDOVER_CONNECTION)
			count_connection(handover, record.tail_size);
	}
	return *offset == handover->size ? NULL : "something follows the end";
}

static int
check_header(const struct handover *handover, char *problem, size_t size)
{
	struct file_header header;

	memcpy(&header, handover->bytes, sizeof(header));
	if (memcmp(header.magic, magic, sizeof(magic)) != 0) {
		snprintf(problem, size, "no state of echod");
		return -EINVAL;
	}
	if (header.version == 0 || header.version > HANDOVER_VERSION) {
		snprintf(problem, size, "version %u; this program reads 1 to %d", header.version,
		        HANDOVER_VERSION);
		return -EPROTONOSUPPORT;
	}
	return 0;
}

int
handover_open(struct handover *handover, int state_fd, char *problem, size_t size)
{
	struct stat status;
	const char *wrong;
	size_t offset;
	void *bytes;
	int error;

	*handover = (struct handover){0};
	if (fstat(state_fd, &status) < 0) {
		error = -errno;
		snprintf(problem, size, "%s", strerror(-error));
		return error;
	}
	if ((size_t)status.st_size < sizeof(struct file_header)) {
		snprintf(problem, size, "no state of echod");
		return -EINVAL;
	}
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, state_fd, 0);
	if (bytes == MAP_FAILED) {
		error = -errno;
		snprintf(problem, size, "%s", strerror(-error));
		return error;
	}
	handover->bytes = bytes;
	handover->size = (size_t)status.st_size;
	error = check_header(handover, problem, size);
	if (error)
		return error;
	wrong = find_problem(handover, &offset);
	if (!wrong)
		return 0;
	snprintf(problem, size, "%s, at byte %zu", wrong, offset);
	return -EINVAL;
}

void
handover_free(struct handover *handover)
{
	if (handover->bytes)
		munmap(handover->bytes, handover->size);
	*handover = (struct handover){0};
}
