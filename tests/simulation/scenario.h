/*
 * One run: what the daemon is asked to do, which peers come, what goes wrong, in which order, all
 * from the seed. First a storm; then every peer behaves well and must come to a good end; then,
 * some of the time, as many as the daemon takes at once; then the counters are looked at; then it
 * is stopped.
 */
#pragma once

#include "notify.h"
#include "stats_clients.h"

#include "echod/options.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

enum {
	SCENARIO_ARGUMENTS = 32,
	HANDED_OVER_MOST = 4,
};

/* Sockets that systemd hands over. */
struct handed_over {
	int n;                                                   /* 0: the daemon opens its own */
	int types[HANDED_OVER_MOST], families[HANDED_OVER_MOST]; /* AF_UNIX: the stats socket */
	bool bad; /* there is one to which no peer can connect */
};

struct scenario {
	/* the command line: those in force, and those that were drawn last */
	char text[2][SCENARIO_ARGUMENTS][48];
	char *arguments[SCENARIO_ARGUMENTS + 1];
	int n_arguments, n_fixed; /* no reload changes the first ones */
	int in_force, drawn;      /* which text */
	int kind;                 /* draw.c */

	/* the system */
	bool ipv4_only;
	bool proxies; /* some hosts are proxies, whose connections begin with a PROXY header */
	struct handed_over handed_over;
	struct notify notify;
	struct stats_clients stats;
	uint32_t files; /* open files permitted */

	/* the weather */
	uint64_t tempo_ns;                /* time that passes in an iteration, about */
	uint64_t jumps, stalls;           /* one in so many iterations, calls; 0: never */
	uint64_t soft, hard, cuts, setup; /* faults.h */
	uint32_t peers, connections, steps;
	uint32_t storm_iterations;
	uint64_t stops; /* one iteration of the storm in so many asks the daemon to stop; 0: none */
	uint64_t datagrams; /* one time in so many, datagrams come */
	uint64_t signals;   /* one in so many shows the counters */
};

/* Makes up a scenario from the seed; random.h is seeded by it. */
void scenario_begin(uint64_t seed);

struct scenario *scenario_now(void);

/* The daemon is about to serve with these options, so many connections at once. */
void scenario_serving(const struct options *options, uint32_t limit);

/* A program goes on with these after a reload: with those in force before when it refused others.
 */
void scenario_reloaded(const struct options *options, uint32_t limit, bool refused);

/* Whether it has been asked to stop, or may end because it is idle. */
bool scenario_may_end(void);

/* What epoll_wait(2) does: the world goes on until a descriptor is ready or the time is over. */
int scenario_wait(struct epoll_event *events, int most, int timeout_ms);

/* Something that may happen in the middle of an iteration: the process does not get the processor.
 */
void scenario_interlude(void);
