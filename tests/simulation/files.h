/*
 * The daemon's descriptors. Numbers are given out as the kernel does it, the lowest free one first,
 * so that a number closed is the next one opened.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum file_kind {
	FILE_NONE,
	FILE_STANDARD, /* 0 to 2 */
	FILE_SOCKET,   /* neither listening nor bound yet */
	FILE_EPOLL,
	FILE_SIGNALS, /* signalfd(2) */
	FILE_LISTENER,
	FILE_UDP,
	FILE_NOTIFY, /* to the service manager */
	FILE_STATS,  /* shows the counters */
	FILE_STATS_CLIENT,
	FILE_STREAM,
	FILE_STATE, /* what a reload leaves to the next program */
};

struct file {
	enum file_kind kind;
	union {
		struct stream *stream;
		struct waiting *waiting; /* of a listener */
		struct datagrams *udp;   /* of a UDP socket */
		uint64_t pending;        /* signals, a bit each */
	};
	/* what epoll knows of it */
	bool watched;
	bool close_on_exec;
	bool queued; /* the number's, not the file's: it outlives the file */
	uint32_t events;
	uint64_t data;
};

enum {
	FILES_MOST = 1 << 21,
};

/* The three standard files, and room for limit descriptors. */
void files_begin(uint32_t limit);

/* How many descriptors there may be from now on. */
void files_set_limit(uint32_t limit);

/* Returns the new descriptor, or -EMFILE. */
int files_open(enum file_kind kind);

/* The file of an open descriptor; the run fails if there is none of this kind. */
struct file *files_get(int fd, enum file_kind kind, const char *call);

/* The file of any open descriptor; the run fails if there is none. */
struct file *files_any(int fd, const char *call);

/* What there is at a number below files_end(), open or not. */
struct file *files_at(int fd);

/* No descriptor from this number on was ever open. */
int files_end(void);

void files_close(int fd);

/* Descriptors open beside the standard files. */
uint32_t files_count(void);
