/*
 * A reload: the daemon executes its program again in its own place, and every connection stays
 * open. What survives goes through a file (handover.h), from the old program to the new one.
 */
#pragma once

#include "echod/acceptor.h"
#include "echod/connection.h"
#include "echod/handover.h"
#include "echod/listeners.h"
#include "echod/options.h"
#include "echod/stats.h"
#include "echod/udp.h"

#include <ev.h>
#include <stddef.h>
#include <stdint.h>

/* What survives. */
struct reload {
	const struct options *options; /* in force */
	const struct listeners *listeners;
	struct connections *connections;
	struct acceptor *acceptor;
	struct udp *udp;
	struct stats *stats;  /* up to date */
	uint64_t log_lost;    /* lines that the programs before have lost */
	uint32_t other_files; /* descriptors beside listeners and connections */
	struct ev_check first_iteration;
};

/*
 * To be called first in main(): remembers how the program was started, and takes the state that
 * the program before it has left; if none has, the handover's bytes are NULL. Returns 0; or a
 * negative errno, and then problem says what is wrong with the state. Free the handover whatever
 * the outcome.
 */
int reload_begin(int argc, char **argv, struct handover *handover, char *problem, size_t size);

/*
 * Runs the daemon once more, with the command line that says what was in force before: the options
 * that the old program has found right are wrong for this one. Returns what run() does, or
 * EXIT_FAILURE without memory.
 */
int reload_as_before(
        struct handover *handover, int (*run)(int argc, char **argv, struct handover *handover));

/*
 * Reads the options again, opens listeners that are new, saves the state and executes the program.
 * Returns only if that is not possible: then problem says why, and everything is as before.
 */
void reload_execute(const struct reload *reload, char *problem, size_t size);

/*
 * Goes on with what the program before has left: its state, and what waits on known listeners that
 * are not served any more, so that they can be closed. The loop's first iteration registers every
 * socket, which may take longer than all before it; then a line in the log says that all goes on
 * and how long it was held up, and the handover is freed.
 */
void reload_restore(struct reload *reload, struct ev_loop *loop, const struct listeners *known,
        struct handover *handover);
