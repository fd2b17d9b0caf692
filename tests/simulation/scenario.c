#include "scenario.h"

#include "calls.h"
#include "clock.h"
#include "datagrams.h"
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
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum phase {
	STORM,
	SETTLING, /* everybody comes to an end */
	IDLING,   /* nobody is left, and the daemon ends for that */
	FILLING,  /* as many as the daemon takes at once */
	SHOWING,  /* the counters */
	STOPPING,
};

enum {
	PATIENCE_TURNS = 300000, /* in which everybody has to come to an end */
};

static struct {
	struct scenario scenario;
	enum phase phase;
	uint32_t turns; /* in this phase */
	const struct options *options;
	uint32_t limit;     /* of connections */
	uint32_t shown;     /* STATS lines before the one asked for */
	uint64_t idle_ns;   /* when it should end because it is idle */
	bool fills;         /* newcomers are still to fill the daemon */
	uint64_t stop_turn; /* the last one in which the daemon did not have to stop */
} state;

struct scenario *
scenario_now(void)
{
	return &state.scenario;
}

static void argue(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
argue(const char *format, ...)
{
	struct scenario *s = &state.scenario;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(s->text[s->n_arguments], sizeof(s->text[0]), format, arguments);
	va_end(arguments);
	s->arguments[s->n_arguments] = s->text[s->n_arguments];
	trace_text("argument", s->text[s->n_arguments]);
	s->arguments[++s->n_arguments] = NULL;
}

static void
argue_time(const char *name, uint64_t one_in)
{
	if (random_one_in(one_in))
		argue("--%s=%llums", name, (unsigned long long)random_scale(100, 5000));
	else
		argue("--%s=0", name);
}

/* Up to two listeners and one socket for datagrams, in any order. */
static void
make_up_handed_over(struct handed_over *sockets)
{
	bool has_datagrams = false;

	sockets->n = 1 + (int)random_below(3);
	for (int i = 0; i < sockets->n; i++) {
		bool datagrams = !has_datagrams && (i == 2 || random_one_in(2));

		has_datagrams |= datagrams;
		sockets->types[i] = datagrams ? SOCK_DGRAM : SOCK_STREAM;
		sockets->families[i] = random_one_in(4) ? AF_INET : AF_INET6;
		sockets->bad |= !datagrams && random_one_in(64);
	}
}

static void
make_up_stats_clients(struct scenario *s)
{
	s->stats = stats_clients_at_random();
	if (random_one_in(2)) {
		argue("--stats-socket=%s", STATS_CLIENTS_PATH);
	} else if (s->handed_over.n > 0) {
		s->handed_over.families[s->handed_over.n] = AF_UNIX;
		s->handed_over.types[s->handed_over.n++] = SOCK_STREAM;
	}
}

static void
make_up_service_manager(struct notify *notify)
{
	static const char *const paths[] = {"/run/systemd/notify", "@notify", "elsewhere"};

	notify->path = paths[random_one_in(16) ? 2 : random_below(2)];
	notify->full = random_one_in(4) ? random_scale(1, 8) : 0;
	notify->watchdog_us = random_one_in(2) ? random_scale(1000, 60000) * 1000 : 0;
}

/* Timeouts, limits and buffers small enough that a short run gets to them. In a crush there are
 * always more who want in than are let in, and somebody always has to give way. */
static void
make_up_arguments(bool crowd, bool crush)
{
	uint64_t memory = random_below(3);

	argue("echod");
	argue("--max-connections=%llu", (unsigned long long)(crowd   ? PEERS_MOST / 2
	                                                     : crush ? random_scale(2, 16)
	                                                             : random_scale(1, 64)));
	argue("--buffer-size=%llu", (unsigned long long)random_scale(4096, 16384));
	argue("--buffer-memory=%llu", (unsigned long long)(memory == 0   ? 0
	                                                   : memory == 1 ? random_scale(4096, 65536)
	                                                                 : 1 << 24));
	argue_time("idle-timeout", 4);
	if (crush)
		argue("--idle-timeout-full=100ms");
	else
		argue_time("idle-timeout-full", 3);
	argue_time("stall-timeout", 3);
	if (random_one_in(2))
		argue("--drain-delay=%llums", (unsigned long long)random_scale(1, 10000));
	argue("--drain-timeout=%llums", (unsigned long long)random_scale(1, 10000));
	if (random_one_in(4))
		argue("--accept-rate=%llu",
		        (unsigned long long)random_scale(crowd ? 1000 : 1, 10000));
	if (random_one_in(4) && !crowd)
		argue("--max-connections-per-source=%llu", (unsigned long long)random_scale(1, 8));
	if (random_one_in(2))
		argue("--log-connections");
	if (random_one_in(2))
		argue("--udp-rate=%llu",
		        (unsigned long long)(random_one_in(2) ? 0 : random_scale(1, 10000)));
	if (random_one_in(8))
		argue("--udp-rate-log-only");
	if (random_one_in(4))
		argue("--udp-offload=off");
	if (random_one_in(4))
		argue("--dscp=off");
	if (random_one_in(3))
		argue(random_one_in(2) ? "-v" : "-q");
}

static void
make_up_weather(bool crowd, bool crush)
{
	struct scenario *s = &state.scenario;

	s->tempo_ns = random_scale(1000, 100 * MS);
	s->jumps = random_one_in(4) ? random_scale(16, 256) : 0;
	s->stalls = random_one_in(8) ? random_scale(16, 1024) : 0;
	s->soft = random_one_in(3) ? 0 : random_scale(2, 64);
	s->hard = random_one_in(2) ? 0 : random_scale(16, 1024);
	s->cuts = random_one_in(3) ? 0 : random_scale(1, 64);
	s->setup = random_one_in(16) ? random_scale(4, 64) : 0;
	s->peers = crowd ? (uint32_t)random_scale(1000, PEERS_MOST) : (uint32_t)random_scale(1, 64);
	if (crush) {
		s->tempo_ns = random_scale(10 * MS, 100 * MS);
		s->peers = 64;
	}
	s->connections = s->peers * (uint32_t)random_scale(1, crowd ? 2 : 8);
	s->steps = crowd ? 1000 : (uint32_t)random_scale(1, 2 * s->peers);
	s->storm_turns = (uint32_t)random_scale(32, 512);
	s->stops = random_one_in(4) ? random_scale(16, 512) : 0;
	if (random_one_in(64)) { /* at once, perhaps before anybody comes */
		s->stops = 1;
		s->connections *= (uint32_t)random_below(2);
	}
	s->datagrams = random_one_in(2) ? random_scale(4, 256) : 0;
	s->signals = random_one_in(2) ? random_scale(4, 64) : 0;
}

void
scenario_begin(uint64_t seed)
{
	bool crowd = seed % 1000 == 999, crush = seed % 8 == 7;
	struct scenario *s = &state.scenario;

	random_seed(seed);
	memset(&state, 0, sizeof(state));
	make_up_arguments(crowd, crush && !crowd);
	make_up_weather(crowd, crush && !crowd);
	s->ipv4_only = random_one_in(8);
	if (!s->ipv4_only && random_one_in(4))
		make_up_handed_over(&s->handed_over);
	make_up_stats_clients(s);
	if (random_one_in(2))
		make_up_service_manager(&s->notify);
	if (random_one_in(s->handed_over.n > 0 ? 2 : 64))
		argue("--exit-idle-time=%llums", (unsigned long long)random_scale(1000, 10000));
	s->files = crowd ? 20000 : 33 + (uint32_t)random_below(80);
	state.fills = !crowd && random_one_in(4);
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
scenario_reloaded(const struct options *options)
{
	state.options = options;
	oracle_on_reload(options);
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
	state.turns = 0;
	trace("phase", (int64_t)phase, 0, 0);
}

static void
stop(void)
{
	oracle_on_stop();
	notify_on_stop(state.options->drain_delay + state.options->drain_timeout);
	calls_signal(random_one_in(2) ? SIGTERM : SIGINT);
}

static void
storm(void)
{
	struct scenario *s = &state.scenario;

	if (state.turns == 1) {
		faults_set_setup(0);
		faults_set(s->soft, s->hard, s->cuts);
	}
	if (random_one_in(s->jumps))
		clock_advance(random_scale(S, 3600 * S));
	if (random_one_in(s->jumps))
		clock_set_wall((int64_t)random_scale(1, 315360000) * (random_one_in(2) ? 1 : -1));
	if (random_one_in(s->signals))
		calls_signal(random_one_in(4) ? SIGHUP : SIGUSR1);
	if (random_one_in(s->stops))
		stop();
	if (state.turns > s->storm_turns) {
		faults_set(0, 0, s->cuts);
		files_set_limit(FILES_MOST);
		peers_settle();
		change_phase(SETTLING);
	}
}

/* Newcomers can be let in without anybody losing his place. */
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
	expect(state.turns < PATIENCE_TURNS, "no end comes: %s; %u wait to be accepted",
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
	state.turns++;
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
		expect(state.turns < PATIENCE_TURNS,
		        "%u newcomers are not all served: %s; %u wait to be accepted", state.limit,
		        peers_explain(), waiting_count());
		if (peers_filled())
			change_phase(SETTLING);
		break;
	case SHOWING:
		expect(state.turns < 8, "SIGUSR1 shows no counters");
		if (oracle_stats_seen() > state.shown) {
			stop();
			state.stop_turn = clock_turn();
			change_phase(STOPPING);
		}
		break;
	case STOPPING:
		if (!stops_may_drain())
			state.stop_turn = clock_turn();
		expect(clock_turn() < state.stop_turn + 8,
		        "nobody is there, and the daemon does not stop");
		break;
	}
}

/* As if so many steps were given to peers at random, most of which have nothing to do. After the
 * storm there is always one for somebody who has. */
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

/* How much of the time that the daemon waits for passes before somebody does something. */
static uint64_t
wait_a_little(uint64_t left)
{
	uint64_t most = left / 16 + state.scenario.tempo_ns;

	/* nobody has anything to do, and nothing goes wrong any more */
	if (state.phase != STORM && peers_awake() == 0)
		return left;
	return 1 + random_below(most < left ? most : left);
}

int
scenario_wait(struct epoll_event *events, int most, int timeout_ms)
{
	uint64_t end = timeout_ms < 0 ? UINT64_MAX : clock_now() + (uint64_t)timeout_ms * MS;
	int count;

	oracle_on_turn(state.phase != STORM);
	notify_on_turn();
	stats_clients_on_turn();
	clock_next_turn();
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
