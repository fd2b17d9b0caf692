#include "echod/bench/workers.h"

#include "echod/bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_SIZE = 65536 };

struct worker {
	pid_t pid;
	int report_fd; /* -1 once it has ended */
	char *line;    /* what has come of the next report */
	size_t length;
	bool heard, fresh; /* has reported, and since on_second was called */
	struct result result;
};

/* ---- in the worker ---- */

struct reporter {
	int fd;
	bool each_second;
	size_t n_reported; /* intervals */
};

/* Writes the result as one line: of the intervals only the new ones. */
static void
write_report(struct reporter *reporter, const struct result *result)
{
	struct json_object *json = result_to_json(result, reporter->n_reported);
	const char *text = json_object_to_json_string_ext(
	        json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t length = strlen(text);

	for (size_t done = 0; done <= length;) {
		ssize_t n = done < length ? write(reporter->fd, text + done, length - done)
		                          : write(reporter->fd, "\n", 1);

		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	json_object_put(json);
	reporter->n_reported = result->n_intervals;
}

static void
worker_on_report(struct load *load, void *owner)
{
	struct reporter *reporter = owner;

	if (load->phase > LOAD_WAITING && !reporter->each_second)
		return;
	load_update(load);
	write_report(reporter, &load->measurement.result);
}

static void
work(const struct bench_options *options, const struct address *to, uint64_t first,
        struct reporter *reporter, int go_fd)
{
	static struct load load; /* large */
	sigset_t none;
	int error = load_init(&load, options, to, first);

	if (error) {
		result_set_text(&load.measurement.result.error, strerror(-error));
		measurement_end(&load.measurement, "start");
	} else {
		load.go_fd = go_fd;
		load.on_report = worker_on_report;
		load.owner = reporter;
		/* a signal that came before is delivered once the loop has its handlers */
		sigemptyset(&none);
		load_start(&load);
		sigprocmask(SIG_SETMASK, &none, NULL);
		load_run(&load);
	}
	write_report(reporter, &load.measurement.result);
	load_release(&load);
}

/* ---- in the parent ---- */

static uint64_t
share(uint64_t whole, uint64_t parts, uint64_t index)
{
	return whole / parts + (index < whole % parts);
}

static int
start_worker(struct workers *workers, size_t i, uint64_t first, int go_read_fd)
{
	const struct bench_options *o = workers->options;
	struct bench_options own = *o;
	pid_t parent = getpid();
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	workers->all[i].pid = fork();
	if (workers->all[i].pid != 0) {
		int error = errno;

		close(pipe_fds[1]);
		workers->all[i].report_fd = pipe_fds[0];
		return workers->all[i].pid < 0 ? -error : 0;
	}
	/* Ctrl-C on the terminal is for the parent, which passes it on */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	close(workers->go_fd);
	close(pipe_fds[0]);
	own.connections = share(o->connections, o->processes, i);
	own.rate = share(o->rate, o->processes, i);
	own.connect_rate = share(o->connect_rate, o->processes, i);
	own.total = share(o->total, o->processes, i);
	work(&own, workers->to, first,
	        &(struct reporter){pipe_fds[1], workers->on_second != NULL, 0}, go_read_fd);
	exit(EXIT_SUCCESS);
}

/* Takes over a report: its intervals are those after the ones that are there. */
static void
take_report(struct worker *worker, const char *line)
{
	struct json_object *json = json_tokener_parse(line);
	struct result news;
	char problem[128];

	if (result_from_json(json, &news, problem, sizeof(problem)) == 0 &&
	        result_prepend_intervals(&news, &worker->result) == 0) {
		result_release(&worker->result);
		worker->result = news;
		worker->heard = worker->fresh = true;
	} else {
		result_release(&news);
	}
	json_object_put(json);
}

static void
end_worker(struct worker *worker)
{
	struct result *result = &worker->result;

	close(worker->report_fd);
	worker->report_fd = -1;
	while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (worker->heard && !result->ended_by) { /* without its last report */
		result_set_text(&result->ended_by, "killed");
		result->broken = result->opened;
	}
}

static void
hear_worker(struct worker *worker)
{
	char *grown = realloc(worker->line, worker->length + READ_SIZE), *end;
	ssize_t n;

	if (!grown)
		return;
	worker->line = grown;
	n = read(worker->report_fd, grown + worker->length, READ_SIZE);
	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		end_worker(worker);
		return;
	}
	worker->length += (size_t)n;
	while ((end = memchr(worker->line, '\n', worker->length))) {
		size_t length = (size_t)(end + 1 - worker->line);

		*end = '\0';
		take_report(worker, worker->line);
		worker->length -= length;
		memmove(worker->line, end + 1, worker->length);
	}
}

/* Whether all workers that live have reported (since on_second was called). */
static bool
have_reported(const struct workers *workers, bool fresh)
{
	bool reported = true;

	for (size_t i = 0; i < workers->options->processes; i++) {
		const struct worker *worker = &workers->all[i];

		if (worker->report_fd >= 0 && !(fresh ? worker->fresh : worker->heard))
			reported = false;
	}
	return reported;
}

static void
pass_signal_on(const struct workers *workers, int signal_fd)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	for (size_t i = 0; i < workers->options->processes; i++)
		if (workers->all[i].report_fd >= 0)
			kill(workers->all[i].pid, (int)info.ssi_signo);
}

static void
show_second(struct workers *workers)
{
	if (!have_reported(workers, true))
		return;
	for (size_t i = 0; i < workers->options->processes; i++)
		workers->all[i].fresh = false;
	if (workers->on_second)
		workers->on_second(workers);
}

/* Until all have ended. polled has room for all and one more. */
static void
hear_all(struct workers *workers, struct pollfd *polled, int signal_fd)
{
	size_t n = workers->options->processes, n_alive;

	do {
		n_alive = 0;
		for (size_t i = 0; i < n; i++) {
			polled[i] = (struct pollfd){workers->all[i].report_fd, POLLIN, 0};
			n_alive += workers->all[i].report_fd >= 0;
		}
		polled[n] = (struct pollfd){signal_fd, POLLIN, 0};
		if (n_alive == 0 || poll(polled, n + 1, -1) < 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (polled[i].revents)
				hear_worker(&workers->all[i]);
		if (polled[n].revents)
			pass_signal_on(workers, signal_fd);
		if (workers->go_fd >= 0 && have_reported(workers, false)) {
			close(workers->go_fd);
			workers->go_fd = -1;
		}
		show_second(workers);
		/* cppcheck-suppress knownConditionTrueFalse ; it overlooks what changes it */
	} while (n_alive > 0);
}

int
workers_merge(const struct workers *workers, bool last_only, struct result *result)
{
	memset(result, 0, sizeof(*result));
	for (size_t i = 0; i < workers->options->processes; i++) {
		struct result part = workers->all[i].result; /* of which only this copy is cut */
		char problem[128];
		int error;

		if (!workers->all[i].heard)
			continue;
		if (last_only && part.n_intervals > 0) {
			part.intervals += part.n_intervals - 1;
			part.n_intervals = 1;
		}
		error = result_merge(result, &part, problem, sizeof(problem));
		if (error)
			return error;
	}
	return 0;
}

static int
start_all(struct workers *workers)
{
	const struct bench_options *o = workers->options;
	uint64_t first = 0;
	int go_fds[2], error = pipe2(go_fds, O_CLOEXEC) < 0 ? -errno : 0;

	if (error)
		return error;
	workers->go_fd = go_fds[1];
	for (size_t i = 0; i < o->processes && !error; i++) {
		error = start_worker(workers, i, first, go_fds[0]);
		first += share(o->connections, o->processes, i);
	}
	close(go_fds[0]);
	return error;
}

int
workers_run(struct workers *workers, struct result *result)
{
	size_t n = workers->options->processes;
	struct pollfd *polled = calloc(n + 1, sizeof(*polled));
	sigset_t signals;
	int signal_fd, error = -ENOMEM;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	memset(result, 0, sizeof(*result));
	workers->go_fd = -1;
	workers->all = calloc(n, sizeof(*workers->all));
	for (size_t i = 0; workers->all && i < n; i++)
		workers->all[i].report_fd = -1;
	if (polled && workers->all) {
		error = start_all(workers);
		for (size_t i = 0; error && i < n; i++)
			if (workers->all[i].pid > 0)
				kill(workers->all[i].pid, SIGKILL);
		hear_all(workers, polled, signal_fd);
		if (!error)
			error = workers_merge(workers, false, result);
	}
	for (size_t i = 0; workers->all && i < n; i++) {
		result_release(&workers->all[i].result);
		free(workers->all[i].line);
	}
	if (workers->go_fd >= 0)
		close(workers->go_fd);
	close(signal_fd);
	free(workers->all);
	free(polled);
	return error;
}
