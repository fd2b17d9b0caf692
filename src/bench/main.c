#include "echod/bench/cpu.h"
#include "echod/bench/load.h"
#include "echod/bench/options.h"
#include "echod/bench/report.h"
#include "echod/common/clock.h"
#include "echod/tools/reason.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum exit_code {
	EXIT_CLEAN = 0,
	EXIT_UNCLEAN = 1,
	EXIT_USAGE = 2, /* and whatever keeps a run from beginning */
	NOT_CONNECTED = -1,
};

static enum exit_code
fail(const char *what, const char *why)
{
	fprintf(stderr, "echod-bench: %s: %s\n", what, why);
	return EXIT_USAGE;
}

static enum exit_code
write_histogram(const struct load *load)
{
	const char *path = load->options->histogram_file;
	FILE *file = fopen(path, "we");
	int error;

	if (!file)
		return fail(path, strerror(errno));
	error = histogram_write(&load->traffic.echo_ns, (double)NS_PER_MS, file);
	if (fclose(file) != 0 || error)
		return fail(path, strerror(EIO));
	return EXIT_CLEAN;
}

static enum exit_code
report(const struct load *load)
{
	struct summary summary = summary_make(load);

	if (load->options->json)
		report_json(load, &summary, stdout);
	else
		report_text(load, &summary, stdout);
	if (fflush(stdout) != 0 || ferror(stdout))
		return fail("standard output", "cannot be written");
	if (load->options->histogram_file && write_histogram(load) != EXIT_CLEAN)
		return EXIT_USAGE;
	return summary.clean ? EXIT_CLEAN : EXIT_UNCLEAN;
}

static enum exit_code
run(struct load *load, const struct bench_options *options, const struct address *to)
{
	char peer[ADDRESS_TEXT_SIZE], what[ADDRESS_TEXT_SIZE + 16];
	int error = load_init(load, options, to);

	if (error == -EMFILE)
		return fail("--connections", "more than files may be open (ulimit -n)");
	if (error)
		return fail("start", strerror(-error));
	if (isatty(STDERR_FILENO))
		load->on_second = live_show;
	error = load_run(load);
	if (load->on_second)
		live_end();
	if (!error)
		return report(load);
	snprintf(what, sizeof(what), "connect to %s", address_format(to, peer, sizeof(peer)));
	fail(what, reason_of(error));
	return NOT_CONNECTED;
}

/* Names are tried in the order that the resolver gives, until one lets us in. */
static enum exit_code
try_each(struct load *load, const struct bench_options *options)
{
	struct address addresses[TOOL_MAX_ADDRESSES];
	size_t n;
	const char *problem = tool_target_resolve(&options->target, addresses, &n);
	enum exit_code code = NOT_CONNECTED;

	if (problem)
		return fail(options->target.host, problem);
	for (size_t i = 0; i < n && code == NOT_CONNECTED; i++) {
		code = run(load, options, &addresses[i]);
		load_release(load);
	}
	return code == NOT_CONNECTED ? EXIT_USAGE : code;
}

int
main(int argc, char **argv)
{
	struct bench_options options;
	enum option_outcome outcome;
	struct load *load;
	enum exit_code code;
	char problem[256];
	uint64_t unused;

	outcome = bench_options_read(&options, argc, argv, problem, sizeof(problem));
	if (outcome != OPTIONS_READ)
		return tool_options_explain("echod-bench", outcome, problem);
	if (options.stats_pid > 0 && cpu_of_ns((pid_t)options.stats_pid, &unused) < 0)
		return fail("--stats-pid", "no such process");
	load = malloc(sizeof(*load));
	if (!load)
		return fail("start", strerror(ENOMEM));
	code = try_each(load, &options);
	free(load);
	return code;
}
