#include "echod/bench/commands.h"

#include "echod/bench/report.h"
#include "echod/bench/report_html.h"
#include "echod/bench/result_file.h"
#include "echod/tools/tool_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum exit_code
command_fail(const char *what, const char *why)
{
	fprintf(stderr, "echod-bench: %s: %s\n", what, why);
	return EXIT_USAGE;
}

enum exit_code
command_show(const struct result *result, int json)
{
	if (json)
		result_file_print(result, stdout);
	else
		report_text(result, stdout);
	if (fflush(stdout) != 0 || ferror(stdout))
		return command_fail("standard output", "cannot be written");
	return result_is_clean(result) ? EXIT_CLEAN : EXIT_UNCLEAN;
}

struct command_options {
	const char *output_file;
	bool json; /* merge */
};

static const struct option_spec merge_specs[] = {
        {.name = "json",
                .letter = 'J',
                .kind = OPTION_SWITCH,
                .offset = offsetof(struct command_options, json),
                .help = "for machines: the result as JSON"},
        {.name = "output",
                .letter = 'o',
                .kind = OPTION_TEXT,
                .argument = "FILE",
                .offset = offsetof(struct command_options, output_file),
                .help = "write the result as JSON to FILE, too"},
};

static const struct option_table merge_table = {
        .program = "echod-bench merge",
        .synopsis = "[OPTION]... FILE...",
        .summary = "Adds up the results of several machines or processes that loaded one peer at "
                   "the same time.",
        .specs = merge_specs,
        .n_specs = sizeof(merge_specs) / sizeof(merge_specs[0]),
};

/* Reads the options of a subcommand and its files, of which there must be one at least. */
static enum option_outcome
read_files(const struct option_table *table, int argc, char **argv, void *options, int *first,
        char *problem, size_t size)
{
	enum option_outcome outcome =
	        option_table_read(table, argc, argv, options, NULL, first, problem, size);

	if (outcome == OPTIONS_READ && *first >= argc) {
		snprintf(problem, size, "FILE is missing");
		return OPTIONS_WRONG;
	}
	return outcome;
}

enum exit_code
command_merge(int argc, char **argv)
{
	struct command_options options = {0};
	struct result result;
	char problem[512];
	int first, error;
	enum exit_code code;
	enum option_outcome outcome =
	        read_files(&merge_table, argc, argv, &options, &first, problem, sizeof(problem));

	if (outcome != OPTIONS_READ)
		return (enum exit_code)tool_options_explain(merge_table.program, outcome, problem);
	if (result_file_merge(
	            argv + first, (size_t)(argc - first), &result, problem, sizeof(problem)) < 0)
		code = command_fail("merge", problem);
	else if (options.output_file &&
	         (error = result_file_write(options.output_file, &result)) < 0)
		code = command_fail(options.output_file, strerror(-error));
	else
		code = command_show(&result, options.json);
	result_release(&result);
	return code;
}

static const struct option_spec report_specs[] = {
        {.name = "output",
                .letter = 'o',
                .kind = OPTION_TEXT,
                .argument = "FILE",
                .offset = offsetof(struct command_options, output_file),
                .preset = "report.html",
                .help = "where the page goes"},
};

static const struct option_table report_table = {
        .program = "echod-bench report",
        .synopsis = "[OPTION]... FILE...",
        .summary = "Draws results as a page (HTML), several laid over each other and compared.",
        .specs = report_specs,
        .n_specs = sizeof(report_specs) / sizeof(report_specs[0]),
};

enum exit_code
command_report(int argc, char **argv)
{
	struct command_options options = {0};
	const struct result *runs[REPORT_MAX_RUNS];
	struct result *results;
	char problem[512];
	int first, error = 0;
	size_t n = 0;
	enum exit_code code = EXIT_CLEAN;
	enum option_outcome outcome =
	        read_files(&report_table, argc, argv, &options, &first, problem, sizeof(problem));

	if (outcome != OPTIONS_READ)
		return (enum exit_code)tool_options_explain(report_table.program, outcome, problem);
	if (argc - first > REPORT_MAX_RUNS)
		return command_fail("report", "at most 6 files fit into one page");
	results = calloc((size_t)(argc - first), sizeof(*results));
	if (!results)
		return command_fail("report", strerror(ENOMEM));
	for (; first < argc && !error; first++, n++) {
		error = result_file_read(argv[first], &results[n], problem, sizeof(problem));
		runs[n] = &results[n];
	}
	if (error)
		code = command_fail("report", problem);
	else if ((error = report_html_write(runs, n, options.output_file)) < 0)
		code = command_fail(options.output_file, strerror(-error));
	while (n > 0)
		result_release(&results[--n]);
	free(results);
	return code;
}
