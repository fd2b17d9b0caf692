#include "daemon.h"

#include "calls.h"
#include "clock.h"
#include "datagrams.h"
#include "epoll.h"
#include "faults.h"
#include "files.h"
#include "mappings.h"
#include "memory.h"
#include "notify.h"
#include "peers.h"
#include "random.h"
#include "scenario.h"
#include "stats_clients.h"
#include "stops.h"
#include "trace.h"
#include "waiting.h"

#include "echod/limits.h"
#include "echod/log.h"
#include "echod/reload.h"
#include "echod/server.h"

#include <setjmp.h>

static void
make_world(uint64_t seed)
{
	const struct scenario *s = scenario_now();

	clock_begin();
	scenario_begin(seed);
	faults_begin();
	faults_set_setup(s->setup);
	files_begin(s->files);
	calls_begin(s->files);
	epoll_begin();
	waiting_begin();
	datagrams_begin();
	notify_begin(&s->notify);
	stops_begin();
	stats_clients_begin(&s->stats);
	peers_begin(s->peers, s->connections);
}

static jmp_buf program_begins;

void
calls_on_execute(void)
{
	memory_drop();
	mappings_drop();
	longjmp(program_begins, 1);
}

static void
serve(const struct options *options, struct listeners *listeners, struct listeners *known,
        struct handover *handover)
{
	uint32_t limit = limits_connections(options->max_connections, listeners->count);
	struct server *server;

	expect(limit > 0, "there is no room for connections");
	if (handover->bytes)
		scenario_reloaded(options, limit, handover->refused);
	else
		scenario_serving(options, limit);
	server = server_new(options, listeners, limit, known, handover);
	if (!server) {
		expect(scenario_now()->setup, "the daemon does not start: %s", strerror(errno));
		return;
	}
	listeners_close(known, listeners);
	expect(server_run(server), "the daemon gives up");
	expect(scenario_may_end(), "the daemon ends unasked");
	stops_on_end();
	server_free(server);
}

/* Returns how many sockets may stay open: handed over behind one with which it does not start. */
static int
listen_and_serve(const struct options *options, struct handover *handover)
{
	struct listeners listeners, known = {0};
	char problem[512];
	bool reloaded = handover->bytes;
	int error;

	if (reloaded)
		expect(listeners_restore(&known, handover, options, problem, sizeof(problem)) == 0,
		        "the listeners are not restored: %s", problem);
	error = reloaded ? listeners_choose(&listeners, &known, options, problem, sizeof(problem))
	                 : listeners_open(&listeners, options, problem, sizeof(problem));
	expect(error || !scenario_now()->handed_over.bad,
	        "the daemon serves a socket without peers");
	if (error == 0)
		serve(options, &listeners, &known, handover);
	else
		expect(!reloaded && (scenario_now()->setup || scenario_now()->handed_over.bad ||
		                            scenario_now()->stats.path >= PATH_OTHER),
		        "the daemon does not listen: %s", problem);
	listeners_close(&listeners, NULL);
	return error ? scenario_now()->handed_over.n : 0;
}

static int
run(int argc, char **argv, struct handover *handover)
{
	struct options options;
	char problem[512];
	int left;

	expect(options_read(&options, argc, argv, problem, sizeof(problem)) == OPTIONS_READ, "%s",
	        problem);
	log_set_threshold(options.quiet ? LOG_NOTICE : options.verbose ? LOG_DEBUG : LOG_INFO);
	left = listen_and_serve(&options, handover);
	options_free(&options);
	return left;
}

/* From its beginning to its end, or to the execution of the next, of another version now and then,
 * for which the options are wrong. Returns as listen_and_serve(). */
static int
run_program(void)
{
	struct scenario *s = scenario_now();
	struct handover handover;
	char problem[512];

	log_close(); /* the lines lost by the program before count no more */
	log_set_threshold(LOG_INFO);
	expect(reload_begin(s->n_arguments, s->arguments, &handover, problem, sizeof(problem)) == 0,
	        "the state is not read: %s", problem);
	if (handover.bytes && random_one_in(8))
		return reload_as_before(&handover, run);
	return run(s->n_arguments, s->arguments, &handover);
}

void
daemon_run(uint64_t seed)
{
	int64_t allocations = memory_allocations();
	int left;

	memory_begin();
	make_world(seed);
	setjmp(program_begins);
	left = run_program();
	stats_clients_end();
	calls_end();
	expect(files_count() <= (uint32_t)left, "%u descriptors are left open", files_count());
	expect(memory_allocations() == allocations, "%lld allocations are not freed",
	        (long long)(memory_allocations() - allocations));
	expect(mappings_count() == 0, "%u mappings are not given back", mappings_count());
}
