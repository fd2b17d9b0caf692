/*
 * Opens many connections, a limited number at a time, so that the peer's backlog is not what is
 * measured; or more and more of them, each when it is due.
 */
#pragma once

#include "echod/bench/schedule.h"
#include "echod/bench/source_range.h"
#include "echod/tools/dial.h"
#include "echod/tools/histogram.h"

#include <ev.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OPENER_WIDTH = 128,
	OPENER_HOPELESS = 64 /* so many failures without a success: no peer is there */
};

struct opening {
	ev_io io;
	uint64_t started_ns;
};

/* Set what is above the line, zero the rest; read all freely. */
struct opener {
	struct ev_loop *loop;
	struct dial dial;
	struct source_range sources;
	uint64_t first; /* the first source of the range to use */
	uint64_t wanted;
	uint64_t timeout_ns;
	struct opening *openings; /* room for so many at a time, all zero */
	size_t width;
	/* When each is due, from which its time counts; NULL: when it is begun. */
	const struct schedule *schedule;
	void *owner;
	/* A socket, the owner's from then on, or a negative errno. */
	void (*on_settled)(void *owner, int peer_fd);
	/* All are open or have failed. May release the opener. NULL: more may come. */
	void (*on_done)(void *owner);
	/* ---- */
	uint64_t begun, opened, failed;
	int error; /* of the first that failed, as a negative errno */
	struct histogram connect_ns;
	ev_timer tick;
	size_t n_openings;
};

/* Allows this process so many connections. Returns 0, or -EMFILE when the system does not. */
int opener_allow_files(uint64_t connections);

/* Begins. Callbacks come from the loop only. */
void opener_start(struct opener *opener);

/* Begins one more. */
void opener_add(struct opener *opener);

/* Closes what is on its way; no callback comes any more. */
void opener_stop(struct opener *opener);
