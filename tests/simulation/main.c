/*
 * The simulation: the real daemon (everything but main.c) and the real libev on a kernel that is a
 * model. One seed decides everything: the daemon's options, how many peers connect and how they
 *behave, which calls fail and how, how time passes. So a run that failed can be run again, step by
 *step.
 *
 *	simulation [--seeds FROM COUNT] [--jobs N]    run these seeds, on so many processors
 *	simulation --seed N [--trace]                 run one (twice), and print what happens
 *
 * How to read it:
 *
 *	scenario.c       the phases of a run, and what happens in each iteration
 *	draw.c           what a run consists of, drawn from the seed
 *	daemon.c         what echod's main() does, and that nothing is left behind
 *	peers.c          the peers, and how they behave
 *	oracle.c         what is promised: which connections are accepted, why one ends
 *	stops.c          what is promised: the end
 *	counters.c exit_lines.c   what is promised: the counters, the log
 *	headers.c sources.c   the PROXY headers of proxies; where peers come from
 *	tokens.h         a bucket of tokens
 *	stream.c         a TCP connection as Linux lets the daemon see it; are the bytes right?
 *	waiting.c        listeners and their backlogs
 *	datagrams.c parcel.c   the UDP socket and its peers; are the replies right?
 *	epoll.c files.c clock.c memory.c   the rest of the model
 *	stats_clients.c  the stats socket and its clients
 *	calls_reload.c   the daemon executes itself: memory is gone, descriptors and signals stay
 *	faults.c         which calls fail, and how
 *	calls_*.c        the system calls, from the daemon and libev into the model
 *	random.c trace.c   chance; the hash of what happened
 *
 * bugs/ holds mistakes as patches. Each has to be found, or the simulation is not worth its time:
 * bugs/find.sh. million.c is another program on the same model.
 */
#include "clock.h"
#include "daemon.h"
#include "parcel.h"
#include "stream.h"
#include "trace.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	JOBS_MOST = 64,
	SECONDS_A_RUN = 60, /* of processor time, many times what the largest needs */
};

struct work {
	uint64_t from, count;
	unsigned jobs;
	bool print;
};

/* Shared with the workers: the seed that each is at. */
static volatile uint64_t *at;

static void
run(uint64_t seed, bool print)
{
	const struct itimerval most = {.it_value.tv_sec = SECONDS_A_RUN};

	setitimer(ITIMER_VIRTUAL, &most, NULL); /* SIGVTALRM ends a run that does not end */
	clock_begin();
	trace_begin(seed, print);
	daemon_run(seed);
}

/* In a process that is not fresh any more the same has to happen. */
static void
run_again(uint64_t seed)
{
	uint64_t hash = trace_hash();

	run(seed, false);
	expect(trace_hash() == hash, "run again, something else happens");
}

static void
work_on(const struct work *work, unsigned job)
{
	for (uint64_t i = job; i < work->count; i += work->jobs) {
		at[job] = work->from + i;
		run(work->from + i, work->print);
		if (work->count == 1)
			run_again(work->from);
	}
	fflush(stdout);
	exit(EXIT_SUCCESS);
}

/* A worker that fails has said so, unless it was killed. */
static bool
has_succeeded(int status, unsigned job)
{
	if (WIFSIGNALED(status))
		printf("seed %llu ends by signal %d (%s); replay it with --seed %llu --trace\n",
		        (unsigned long long)at[job], WTERMSIG(status), strsignal(WTERMSIG(status)),
		        (unsigned long long)at[job]);
	else if (WEXITSTATUS(status) > EXIT_FAILURE)
		printf("seed %llu ends with status %d; replay it with --seed %llu --trace\n",
		        (unsigned long long)at[job], WEXITSTATUS(status),
		        (unsigned long long)at[job]);
	return status == 0;
}

/* The first failure ends it all. */
static int
run_seeds(const struct work *work)
{
	pid_t workers[JOBS_MOST] = {0}, ended;
	int code = EXIT_SUCCESS, status;

	fflush(stdout);
	for (unsigned job = 0; job < work->jobs; job++) {
		workers[job] = fork();
		if (workers[job] == 0)
			work_on(work, job);
		if (workers[job] < 0) {
			perror("fork");
			code = EXIT_FAILURE;
		}
	}
	while ((ended = wait(&status)) > 0) {
		unsigned job = 0;

		while (workers[job] != ended)
			job++;
		workers[job] = 0;
		if (code != EXIT_SUCCESS || has_succeeded(status, job))
			continue;
		code = EXIT_FAILURE;
		for (unsigned other = 0; other < work->jobs; other++)
			if (workers[other] > 0)
				kill(workers[other], SIGKILL);
	}
	return code;
}

static uint64_t
number(const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text ? text : "", &end, 10);
	if (errno || !text || end == text || *end) {
		fprintf(stderr, "%s: a number is expected\n", text ? text : "nothing");
		exit(EXIT_FAILURE);
	}
	return value;
}

static struct work
read_options(int argc, char **argv)
{
	static const struct option known[] = {{"seed", required_argument, NULL, 's'},
	        {"seeds", required_argument, NULL, 'S'}, {"trace", no_argument, NULL, 't'},
	        {"jobs", required_argument, NULL, 'j'}, {0}};
	struct work work = {
	        .from = 1, .count = 1000, .jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0)
		switch (option) {
		case 's':
			work.from = number(optarg);
			work.count = work.jobs = 1;
			break;
		case 'S':
			work.from = number(optarg);
			work.count = number(argv[optind++]);
			break;
		case 't':
			work.print = true;
			break;
		case 'j':
			work.jobs = (unsigned)number(optarg);
			break;
		default:
			exit(EXIT_FAILURE);
		}
	if (work.jobs > JOBS_MOST)
		work.jobs = JOBS_MOST;
	return work;
}

int
main(int argc, char **argv)
{
	struct work work = read_options(argc, argv);
	int code;

	at = mmap(NULL, JOBS_MOST * sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	        -1, 0);
	stream_make_bytes();
	parcel_make_bytes();
	code = run_seeds(&work);
	if (code == EXIT_SUCCESS)
		printf("%llu seeds from %llu: nothing wrong\n", (unsigned long long)work.count,
		        (unsigned long long)work.from);
	return code;
}
