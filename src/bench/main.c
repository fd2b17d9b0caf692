#include "echod/bench/commands.h"
#include "echod/bench/opener.h"
#include "echod/bench/options.h"
#include "echod/bench/report.h"
#include "echod/bench/report_html.h"
#include "echod/bench/result_file.h"
#include "echod/bench/workers.h"
#include "echod/common/clock.h"
#include "echod/tools/cpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a long run the file is renewed once in so many parts of it, of a short one each second. */
enum { RENEWALS = 50 };

static enum exit_code
write_histogram(const struct bench_options *options, const struct result *result)
{
	const char *path = options->histogram_file;
	FILE *file = fopen(path, "we");
	int error;

	if (!file)
		return command_fail(path, strerror(errno));
	error = histogram_write(&result->echo_ns, (double)NS_PER_MS, file);
	if (fclose(file) != 0 || error)
		return command_fail(path, strerror(EIO));
	return EXIT_CLEAN;
}

/* A run that is killed leaves what was measured until then. */
static void
renew_file(const struct workers *workers)
{
	static size_t n_seconds, written_at;
	struct result result;

	if (++n_seconds < written_at + written_at / RENEWALS + 1)
		return;
	written_at = n_seconds;
	if (workers_merge(workers, false, &result) == 0)
		result_file_write(workers->options->output_file, &result);
	result_release(&result);
}

static void
main_on_second(const struct workers *workers)
{
	if (isatty(STDERR_FILENO))
		live_show(workers);
	if (workers->options->output_file)
		renew_file(workers);
}

static enum exit_code
report(const struct bench_options *options, const struct result *result)
{
	enum exit_code code = command_show(result, options->json);
	int error = options->output_file ? result_file_write(options->output_file, result) : 0;

	if (error)
		code = command_fail(options->output_file, strerror(-error));
	if (!error && options->report_file) {
		error = report_html_write(&result, 1, options->report_file);
		if (error)
			code = command_fail(options->report_file, strerror(-error));
	}
	if (options->histogram_file && write_histogram(options, result) != EXIT_CLEAN)
		code = EXIT_USAGE;
	return code;
}

/* Loads an address. Returns whether there is another reason to go on to the next one. */
static bool
run(const struct bench_options *options, const struct address *to, bool last, enum exit_code *code)
{
	char peer[ADDRESS_TEXT_SIZE], what[ADDRESS_TEXT_SIZE + 16];
	bool live = isatty(STDERR_FILENO), stopped;
	struct workers workers = {.options = options,
	        .to = to,
	        .on_second = live || options->output_file ? main_on_second : NULL};
	struct result result;
	int error = workers_run(&workers, &result);

	if (live)
		live_end();
	if (!error && result.opened > 0) {
		*code = report(options, &result);
		result_release(&result);
		return false;
	}
	stopped = result.ended_by && strcmp(result.ended_by, "interrupt") == 0;
	snprintf(what, sizeof(what), "connect to %s", address_format(to, peer, sizeof(peer)));
	*code = command_fail(what, error          ? strerror(-error)
	                           : result.error ? result.error
	                                          : "failed");
	if (!error && (last || stopped)) {
		if (options->json)
			result_file_print(&result, stdout);
		if (options->output_file)
			result_file_write(options->output_file, &result);
	}
	result_release(&result);
	return !stopped;
}

/* The addresses of a name are tried in the order that the resolver gives. */
static enum exit_code
try_each(const struct bench_options *options)
{
	struct address addresses[TOOL_MAX_ADDRESSES];
	enum exit_code code = EXIT_USAGE;
	char text[ADDRESS_TEXT_SIZE];
	size_t n;
	const char *problem = tool_target_resolve(&options->target, addresses, &n);

	if (problem)
		return command_fail(options->target.host, problem);
	for (size_t i = 0; i < n; i++) {
		problem = bench_options_fit(options, &addresses[i]);
		if (problem)
			code = command_fail(
			        address_format(&addresses[i], text, sizeof(text)), problem);
		else if (!run(options, &addresses[i], i + 1 == n, &code))
			break;
	}
	return code;
}

int
main(int argc, char **argv)
{
	struct bench_options options;
	enum option_outcome outcome;
	char problem[256];
	uint64_t unused;
	sigset_t signals;

	if (argc > 1 && strcmp(argv[1], "merge") == 0)
		return (int)command_merge(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "report") == 0)
		return (int)command_report(argc - 1, argv + 1);
	outcome = bench_options_read(&options, argc, argv, problem, sizeof(problem));
	if (outcome != OPTIONS_READ)
		return tool_options_explain("echod-bench", outcome, problem);
	if (options.stats_pid > 0 && cpu_of_ns((pid_t)options.stats_pid, &unused) < 0)
		return (int)command_fail("--stats-pid", "no such process");
	if (opener_allow_files(options.connections / options.processes + 1) < 0)
		return (int)command_fail(
		        "--connections", "more than files may be open (ulimit -n)");
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return (int)try_each(&options);
}
