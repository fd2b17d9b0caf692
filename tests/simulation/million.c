/*
 * Very many connections at once on the simulated kernel:
 *
 *	million CONNECTIONS ECHOES
 *
 * All connect, each has one echo and stays; then a thousand of them have so many echoes, fifty
 * ready in each iteration. Prints the bytes of memory of the daemon and libev for a
 * connection. Under callgrind with --instr-atstart=no exactly the echoes are counted; time stands
 * still meanwhile, because what the sweep costs goes with time and not with echoes.
 */
#include "calls.h"
#include "clock.h"
#include "counters.h"
#include "datagrams.h"
#include "epoll.h"
#include "faults.h"
#include "files.h"
#include "memory.h"
#include "oracle.h"
#include "random.h"
#include "scenario.h"
#include "stats_clients.h"
#include "stream.h"
#include "trace.h"
#include "waiting.h"

#include "echod/limits.h"
#include "echod/log.h"
#include "echod/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

enum {
	MOST = 1 << 20,
	ACTIVE = 1000,
	READY_AN_ITERATION = 50,
	MESSAGE = 64,
};

static struct {
	struct scenario scenario;
	struct stream streams[MOST];
	uint32_t connections, connected;
	uint64_t echoes, begun;
	uint64_t memory_before, memory_after;
	bool measuring, stopped;
} state;

struct scenario *
scenario_now(void)
{
	return &state.scenario;
}

void
scenario_interlude(void)
{
}

bool
scenario_may_end(void)
{
	return true;
}

static void
say(struct stream *stream)
{
	stream_peer_acknowledges(stream);
	stream_peer_reads(stream, MESSAGE);
	expect(stream->taken == stream->written, "a message has not come back");
	stream_peer_writes(stream, MESSAGE);
}

static void
connect_more(void)
{
	struct waiting *listener;

	waiting_listeners(&listener);
	for (int i = 0; i < READY_AN_ITERATION && state.connected < state.connections; i++) {
		struct stream *stream = &state.streams[state.connected];

		*stream = (struct stream){.number = state.connected++,
		        .window = MESSAGE,
		        .peer_fd = -1,
		        .from = {.length = sizeof(struct sockaddr_in6),
		                .in6 = {.sin6_family = AF_INET6}},
		        .receive_room = MESSAGE,
		        .send_room = 1 << 16};
		waiting_enter(listener, stream);
		say(stream);
	}
}

static void
echo_more(void)
{
	uint32_t step = state.connections / ACTIVE;

	for (int i = 0; i < READY_AN_ITERATION; i++)
		say(&state.streams[state.begun++ % ACTIVE * step]);
}

static void
begin_to_measure(void)
{
	state.memory_after = memory_resident();
	state.measuring = true;
	CALLGRIND_START_INSTRUMENTATION;
}

int
scenario_wait(struct epoll_event *events, int most, int timeout_ms)
{
	int count;

	clock_next_iteration();
	if (!state.measuring)
		clock_advance(MS);
	for (int iterations = 0;; iterations++) {
		count = epoll_collect(events, most);
		if (count > 0)
			return count;
		if (state.connected < state.connections) {
			connect_more();
		} else if (!state.measuring) {
			begin_to_measure();
		} else if (state.begun < state.echoes) {
			echo_more();
		} else if (!state.stopped) {
			CALLGRIND_STOP_INSTRUMENTATION;
			calls_signal(SIGTERM);
			state.stopped = true;
		} else {
			clock_advance((uint64_t)timeout_ms * MS + 1);
			return 0;
		}
	}
}

void
stream_on_moved(struct stream *stream)
{
	(void)stream;
}

/* Nothing goes wrong here, and what is promised is checked elsewhere. */
void
oracle_on_accept_call(void)
{
}

void
oracle_on_accept(struct stream *stream)
{
	(void)stream;
}

void
oracle_on_header(struct stream *stream)
{
	(void)stream;
}

void
oracle_on_peer_asked(struct stream *stream)
{
	(void)stream;
}

void
oracle_on_accept_error(int error)
{
	(void)error;
}

void
oracle_on_close(struct stream *stream)
{
	(void)stream;
}

void
oracle_on_listener_close(const struct waiting *waiting)
{
	(void)waiting;
}

void
oracle_on_epoll_error(struct stream *stream, int error)
{
	(void)stream;
	(void)error;
}

void
oracle_on_log(const char *line)
{
	(void)line;
}

void
oracle_on_progress(void)
{
}

void
oracle_on_activity(void)
{
}

uint32_t
oracle_open(void)
{
	return state.connected;
}

void
counters_on_log_lost(void)
{
}

void
counters_check_exposition(const char *text, size_t size)
{
	(void)text;
	(void)size;
}

static void
make_world(void)
{
	uint32_t files = state.connections + LIMITS_RESERVED_FILES;

	clock_begin();
	random_seed(1);
	trace_begin(1, false);
	faults_begin();
	files_begin(files);
	calls_begin(files);
	epoll_begin();
	waiting_begin();
	datagrams_begin();
	stats_clients_begin(&state.scenario.stats);
	stream_make_bytes();
}

static void
serve(const struct options *options)
{
	struct listeners listeners;
	char problem[256];
	struct server *server;

	expect(listeners_open(&listeners, options, problem, sizeof(problem)) == 0, "%s", problem);
	state.memory_before = memory_resident();
	server = server_new(options, &listeners, state.connections, NULL, &(struct handover){0});
	expect(server, "the daemon does not start");
	expect(server_run(server), "the daemon gives up");
	server_free(server);
	listeners_close(&listeners, NULL);
}

void
calls_on_execute(void)
{
	fail("a reload that was not asked for");
}

int
main(int argc, char **argv)
{
	char *arguments[] = {argv[0], (char[]){"--udp=off"}, (char[]){"--quiet"}, NULL};
	struct options options;
	char problem[256];

	if (argc == 3) {
		state.connections = (uint32_t)strtoul(argv[1], NULL, 10);
		state.echoes = strtoull(argv[2], NULL, 10);
	}
	if (state.connections < ACTIVE || state.connections > MOST) {
		fprintf(stderr, "usage: million CONNECTIONS ECHOES; %d to %d connections\n",
		        (int)ACTIVE, (int)MOST);
		return EXIT_FAILURE;
	}
	make_world();
	log_set_threshold(LOG_NOTICE);
	expect(options_read(&options, 3, arguments, problem, sizeof(problem)) == OPTIONS_READ, "%s",
	        problem);
	serve(&options);
	options_free(&options);
	calls_end();
	printf("connections=%u echoes=%llu bytes_a_connection=%.1f\n", state.connections,
	        (unsigned long long)state.begun,
	        (double)(state.memory_after - state.memory_before) / state.connections);
	return EXIT_SUCCESS;
}
