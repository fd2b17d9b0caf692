/*
 * Reads stats sockets (echod(8), --stats-socket), all of them at once.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	READER_TEXT_SIZE = 32 * 1024, /* bytes; several times what a daemon sends */
};

struct reader_source {
	char *path;     /* owned */
	char *instance; /* owned: "echod", "%i" of a unit's instance, or the path */
	int fd;         /* -1 unless it is being read */
	int error;      /* 0: has answered when it was read last; otherwise a negative errno */
	char text[READER_TEXT_SIZE]; /* what it answered, NUL at its end */
	size_t length;
};

struct reader {
	struct reader_source **sources; /* owned */
	size_t count;
};

/* Adds a socket, or those found in /run/echod that are not there yet: a source stays when its
 * socket is gone. Both return 0 or -ENOMEM. */
int reader_add(struct reader *reader, const char *path);
int reader_find(struct reader *reader);

/* Reads all sources; what has not answered to its end within timeout_ms has
 * -ETIMEDOUT. */
void reader_read(struct reader *reader, unsigned timeout_ms);

void reader_free(struct reader *reader);

/* The sum of all samples of a family ("echod_datagrams_refused_total") in an answer. */
uint64_t reader_sum(const struct reader_source *source, const char *family);
