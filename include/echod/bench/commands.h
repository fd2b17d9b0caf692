/* What echod-bench does with results of earlier runs: its subcommands. */
#pragma once

#include "echod/tools/result.h"

enum exit_code {
	EXIT_CLEAN = 0,
	EXIT_UNCLEAN = 1,
	EXIT_USAGE = 2, /* and errors that keep a run from beginning */
};

/* Says on stderr what went wrong. Returns EXIT_USAGE. */
enum exit_code command_fail(const char *what, const char *why);

/* Shows a result on stdout, as a table or as JSON. Returns the exit code that it deserves. */
enum exit_code command_show(const struct result *result, int json);

/* argv[0] is the subcommand's name. */
enum exit_code command_merge(int argc, char **argv);
enum exit_code command_report(int argc, char **argv);
