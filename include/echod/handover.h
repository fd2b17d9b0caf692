/*
 * The state that a daemon leaves to the program that it executes in its own place: a file without a
 * name, written by the old program and read by the new one.
 *
 * The file is a header and records. A record has a kind, a fixed part (one of the structs below)
 * and a tail of bytes. A later version appends fields to a fixed part and raises HANDOVER_VERSION:
 * a shorter fixed part, written by an earlier version, is read as if zeros followed. So a program
 * reads its own version and all earlier ones, and 0 must mean what was true before the field
 * existed. A flag is a field of one bit: a new one raises the version, too, and none is ever given
 * another meaning. Numbers are in the byte order of the host, which the file never leaves, and have
 * the same size on every host.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HANDOVER_VERSION = 1,
};

enum handover_kind {
	HANDOVER_END,        /* the last record; nothing else */
	HANDOVER_DAEMON,     /* struct handover_daemon */
	HANDOVER_ARGUMENT,   /* the tail is an argument of the command line in force */
	HANDOVER_COUNTERS,   /* the tail is stats_format()'s text */
	HANDOVER_LISTENER,   /* struct handover_listener */
	HANDOVER_CONNECTION, /* struct handover_connection; the tail is the bytes in its ring */
	HANDOVER_TOKENS,     /* struct handover_tokens; the tail is some of source_tokens' slots */
	HANDOVER_KINDS,
};

/* Times are CLOCK_MONOTONIC, which goes on. Addresses of families other than the internet's have
 * only the family. */
struct handover_daemon {
	uint64_t begun_ns;          /* when the reload began */
	uint64_t keepalive_ms;      /* the option, as the open connections have it */
	uint64_t accept_full_at_ns; /* the bucket of --accept-rate */
	uint32_t ticks;             /* what active_at and waiting_since are measured in */
	uint32_t other_files;       /* descriptors beside listeners and connections */
};

struct handover_listener {
	int32_t listen_fd;
	uint32_t flags; /* of HANDOVER_HANDED_OVER, HANDOVER_DUAL_STACK, HANDOVER_FOR_STATS */
	uint32_t drops; /* as in struct listener */
	struct sockaddr_in6 wanted;
};

struct handover_connection {
	int32_t peer_fd;
	/* of HANDOVER_FINISHED (and without bytes: it lingers), HANDOVER_BLOCKED,
	 * HANDOVER_AWAITS_HEADER */
	uint32_t flags;
	uint64_t sent;
	uint64_t opened_ns;            /* 0: not known */
	struct sockaddr_in6 peer;      /* AF_UNSPEC: not known */
	uint32_t active_at;            /* as in struct connection */
	uint32_t acked, waiting_since; /* as in struct delivery */
};

struct handover_tokens {
	unsigned char key[16];
	uint64_t first; /* slot of the tail */
};

enum {
	HANDOVER_HANDED_OVER = 1 << 0,
	HANDOVER_DUAL_STACK = 1 << 1,
	HANDOVER_FOR_STATS = 1 << 2,
	HANDOVER_FINISHED = 1 << 0,
	HANDOVER_BLOCKED = 1 << 1,
	HANDOVER_AWAITS_HEADER = 1 << 2,
};

/* Bytes that are a part of a tail. */
struct handover_span {
	const void *bytes;
	size_t size;
};

/* Errors are kept: what follows is not written, and handover_end() returns the first. */
struct handover_writer {
	int state_fd; /* the caller's */
	int error;    /* a negative errno, or 0 */
	size_t used;
	unsigned char buffer[64 * 1024];
};

/* A record as it is read. */
struct handover_record {
	enum handover_kind kind;
	union {
		struct handover_daemon daemon;
		struct handover_listener listener;
		struct handover_connection connection;
		struct handover_tokens tokens;
		unsigned char fixed[sizeof(struct handover_connection)]; /* the longest */
	};
	const unsigned char *tail; /* in the file's mapping */
	size_t tail_size;          /* bytes */
};

/* A state file that has been checked from the first byte to the last. */
struct handover {
	unsigned char *bytes; /* a mapping, owned; NULL: there is none */
	size_t size;
	uint32_t connections; /* how many it holds */
	uint32_t rings;       /* how many of them have bytes */
	uint32_t ring_bytes;  /* the most that one of them has */
	bool refused;         /* the options that were to come in force with it */
};

/*
 * Creates the file, which stays open in the program executed next: in $RUNTIME_DIRECTORY, if the
 * service manager made one (systemd.exec(5), RuntimeDirectory=), because nothing there can be
 * executed; otherwise in memory (memfd_create(2)). Returns a descriptor or a negative errno.
 */
int handover_create(void);

void handover_begin(struct handover_writer *writer, int state_fd);

/* The tail is what the n_spans spans hold. record: the fixed part of this kind, NULL if there is
 * none. */
void handover_write(struct handover_writer *writer, enum handover_kind kind, const void *record,
        const struct handover_span *spans, size_t n_spans);

/* Writes the last record and what is still in the buffer. Returns 0 or a negative errno. */
int handover_end(struct handover_writer *writer);

/*
 * Maps and checks the file. Returns 0; or a negative errno, and then problem says in one line what
 * is wrong with it. state_fd stays the caller's. Free it whatever the outcome.
 */
int handover_open(struct handover *handover, int state_fd, char *problem, size_t size);
void handover_free(struct handover *handover);

/* Reads the record at *offset, 0 at first, and moves *offset behind it. Returns false at the end.
 */
bool handover_next(const struct handover *handover, size_t *offset, struct handover_record *record);
