#include "scenario.h"

#include "calls.h"
#include "clock.h"
#include "datagrams.h"
#include "draw.h"
#include "epoll.h"
#include "faults.h"
#include "files.h"
#include "notify.h"
#include "oracle.h"
#include "peers.h"
#include "random.h"
#include "stops.h"
#include "trace.h"
#include "waiting.h"

#include <signal.h>
#include <string.h>

enum phase {
	STORM,
	SETTLING, /* every peer comes to an end */
	IDLING,   /* no peer is left, and the daemon ends for that */
	FILLING,  /* as many as the daemon takes at once */
	SHOWING,  /* the counters */
	STOPPING,
};

enum {
	PATIENCE_ITERATIONS = 300000, /* in which every peer has to come to an end */
};

static struct {
	struct scenario scenario;
	enum phase phase;
	uint32_t iterations; /* in this phase */
	const struct options *options;
	uint32_t limit;          /* of connections */
	uint32_t shown;          /* STATS lines before the one asked for */
	uint64_t idle_ns;        /* when it should end because it is idle */
	bool fills;              /* newcomers are still to fill the daemon */
	uint64_t stop_iteration; /* the last one in which the daemon did not have to stop */
} state;

struct scenario *
scenario_now(void)
{
	return &state.scenario;
}

void
scenario_begin(uint64_t seed)
{
	random_seed(seed);
	memset(&state, 0, sizeof(state));
	state.fills = draw_scenario(&state.scenario, seed);
}

void
scenario_serving(const struct options *options, uint32_t limit)
{
	state.options = options;
	state.limit = limit;
	oracle_begin(options, limit);
	datagrams_serving(options);
	faults_set_setup(state.scenario.setup);
}

void
scenario_reloaded(const struct options *options, uint32_t limit, bool refused)
{
	state.options = options;
	state.limit = limit;
	if (!refused)
		state.scenario.in_force = state.scenario.drawn;
	oracle_on_reload(options, limit, refused);
	stats_clients_on_reload();
	datagrams_serving(options);
}

bool
scenario_may_end(void)
{
	return stops_asked() || oracle_has_been_idle();
}

static bool
ends_when_idle(void)
{
	return state.options->exit_idle_time && state.scenario.handed_over.n > 0;
}

void
scenario_interlude(void)
{
	if (state.phase == STORM && random_one_in(state.scenario.stalls))
		clock_advance(random_scale(MS, 5 * S));
}

static void
change_phase(enum phase phase)
{
	state.phase = phase;
	state.iterations = 0;
	trace("phase", (int64_t)phase, 0, 0);
}

static void
stop(void)
{
	oracle_on_stop();
	notify_on_stop(state.options->drain_delay + state.options->drain_timeout);
	calls_signal(random_one_in(2) ? SIGTERM : SIGINT);
}

/* SIGHUP, one time in two with options that have changed. */
static void
ask_to_reload(void)
{
	if (random_one_in(2))
		draw_options(&state.scenario);
	calls_signal(SIGHUP);
}

static void
storm(void)
{
	struct scenario *s = &state.scenario;

	if (state.iterations == 1) {
		faults_set_setup(0);
		faults_set(s->soft, s->hard, s->cuts);
	}
	if (random_one_in(s->jumps))
		clock_advance(random_scale(S, 3600 * S));
	if (random_one_in(s->jumps))
		clock_set_wall((int64_t)random_scale(1, 315360000) * (random_one_in(2) ? 1 : -1));
	if (random_one_in(s->signals)) {
		if (random_one_in(4))
			ask_to_reload();
		else
			calls_signal(SIGUSR1);
	}
	if (random_one_in(s->stops))
		stop();
	if (state.iterations > s->storm_iterations) {
		faults_set(0, 0, s->cuts);
		files_set_limit(FILES_MOST);
		peers_settle();
		change_phase(SETTLING);
	}
}

/* Newcomers can be let in without evicting another. */
static bool
may_fill(void)
{
	const struct options *o = state.options;
	struct waiting *listeners[LISTENERS_MOST];

	return state.fills && waiting_listeners(listeners) > 0 && !o->max_connections_per_source &&
	       !o->idle_timeout && !o->idle_timeout_full && !o->stall_timeout;
}

static void
settle(void)
{
	expect(state.iterations < PATIENCE_ITERATIONS, "no end comes: %s; %u wait to be accepted",
	        peers_explain(), waiting_count());
	if (!peers_done() || datagrams_waiting() > 0 || stops_asked())
		return;
	if (may_fill()) {
		peers_fill(state.limit);
		state.fills = false;
		change_phase(FILLING);
		return;
	}
	expect(oracle_open() == 0, "%u connections are open and all peers are gone", oracle_open());
	if (ends_when_idle() && random_one_in(2)) {
		state.idle_ns = clock_now() + state.options->exit_idle_time * MS;
		change_phase(IDLING);
		return;
	}
	state.shown = oracle_stats_seen();
	calls_signal(SIGUSR1);
	change_phase(SHOWING);
}

static void
go_on(void)
{
	state.iterations++;
	switch (state.phase) {
	case STORM:
		storm();
		break;
	case SETTLING:
		settle();
		break;
	case IDLING:
		expect(clock_now() <= state.idle_ns + S, "the daemon is idle, and does not end");
		break;
	case FILLING:
		expect(state.iterations < PATIENCE_ITERATIONS,
		        "%u newcomers are not all served: %s; %u wait to be accepted", state.limit,
		        peers_explain(), waiting_count());
		if (peers_filled())
			change_phase(SETTLING);
		break;
	case SHOWING:
		expect(state.iterations < 8, "SIGUSR1 shows no counters");
		if (oracle_stats_seen() > state.shown) {
			stop();
			state.stop_iteration = clock_iteration();
			change_phase(STOPPING);
		}
		break;
	case STOPPING:
		if (!stops_may_drain())
			state.stop_iteration = clock_iteration();
		expect(clock_iteration() < state.stop_iteration + 8,
		        "no peer is there, and the daemon does not stop");
		break;
	}
}

/* As if so many steps were given to peers at random, most of which have nothing to do. After the
 * storm there is always one for a peer that has. */
static void
peers_go_on(void)
{
	uint64_t steps = (uint64_t)state.scenario.steps * peers_awake();

	steps = (steps + random_below(peers_count())) / peers_count();
	if (steps == 0 && state.phase != STORM)
		steps = 1;
	for (; steps > 0 && peers_awake() > 0; steps--)
		peers_step();
	if (random_one_in(state.scenario.datagrams) && state.phase == STORM)
		for (uint64_t n = random_scale(1, 100); n > 0; n--)
			datagrams_arrive();
}

/* How much of the time that the daemon waits for passes before a peer does something. */
static uint64_t
wait_a_little(uint64_t left)
{
	uint64_t most = left / 16 + state.scenario.tempo_ns;

	/* no peer has anything to do, and nothing goes wrong any more */
	if (state.phase != STORM && peers_awake() == 0)
		return left;
	return 1 + random_below(most < left ? most : left);
}

int
scenario_wait(struct epoll_event *events, int most, int timeout_ms)
{
	uint64_t end = timeout_ms < 0 ? UINT64_MAX : clock_now() + (uint64_t)timeout_ms * MS;
	int count;

	oracle_on_iteration(state.phase != STORM);
	notify_on_iteration();
	stats_clients_on_iteration();
	clock_next_iteration();
	clock_advance(random_below(2 * state.scenario.tempo_ns));
	for (;;) {
		go_on();
		peers_go_on();
		count = epoll_collect(events, most);
		if (count > 0 || clock_now() >= end)
			break;
		clock_advance(wait_a_little(timeout_ms < 0 ? 60 * S : end - clock_now()));
	}
	if (count == 0 && timeout_ms > 0)
		oracle_on_progress();
	return count;
}
