#include "echod/common/option_table.h"

#include "echod/common/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	MAX_SPECS = 64,
	VALUE_HELP = 1000,
	VALUE_VERSION,
	VALUE_SPEC, /* + index of the spec */
};

/* The option as it was given, for messages. */
static void
name_option(const struct option_spec *spec, const char *value, char *text, size_t size)
{
	snprintf(text, size, "--%s%s%s", spec->name, value ? "=" : "", value ? value : "");
}

static void
explain_number(const struct option_spec *spec, const char *what, char *problem, size_t size)
{
	unsigned long long min = spec->min, max = spec->max;
	const char *zero = spec->zero_too && min > 0 ? "0, or " : "";

	if (spec->kind == OPTION_TIME)
		snprintf(problem, size,
		        "%s: must be %sa time such as 90, 1.5s, 500ms, 2m or 1h, from %llums to %llus",
		        what, zero, min, max / 1000);
	else if (spec->kind == OPTION_SIZE)
		snprintf(problem, size,
		        "%s: must be %sa size such as 4096, 16K or 256M, from %llu to %llu bytes",
		        what, zero, min, max);
	else
		snprintf(problem, size, "%s: must be %sa whole number from %llu to %llu", what,
		        zero, min, max);
}

static int
parse_number(const struct option_spec *spec, const char *value, uint64_t *number)
{
	int error = spec->kind == OPTION_TIME   ? units_parse_time(value, number)
	            : spec->kind == OPTION_SIZE ? units_parse_size(value, number)
	                                        : units_parse_count(value, number);

	if (error)
		return error;
	if (*number == 0 && spec->zero_too)
		return 0;
	return *number < spec->min || *number > spec->max ? -ERANGE : 0;
}

static int
set(const struct option_spec *spec, const char *value, void *options, char *problem, size_t size)
{
	char *field = (char *)options + spec->offset;
	char what[256];
	uint64_t number;
	int error;

	name_option(spec, value, what, sizeof(what));
	if (spec->kind == OPTION_SWITCH) {
		*(bool *)field = !value || strcmp(value, "on") == 0;
		if (*(bool *)field || strcmp(value, "off") == 0)
			return 0;
		snprintf(problem, size, "%s: must be on or off", what);
		return -EINVAL;
	}
	if (spec->kind == OPTION_TEXT) {
		*(const char **)field = value;
		return 0;
	}
	if (spec->kind == OPTION_CALL) {
		error = spec->call(options, value);
		if (error == -ENOMEM)
			snprintf(problem, size, "%s: %s", what, strerror(ENOMEM));
		else if (error)
			snprintf(problem, size, "%s: must be %s", what, spec->expects);
		return error;
	}
	if (parse_number(spec, value, &number) < 0) {
		explain_number(spec, what, problem, size);
		return -EINVAL;
	}
	*(uint64_t *)field = number;
	return 0;
}

static void
print_help(const struct option_table *table)
{
	printf("Usage: %s %s\n%s\n\n", table->program, table->synopsis, table->summary);
	for (size_t i = 0; i < table->n_specs; i++) {
		const struct option_spec *spec = &table->specs[i];
		char left[64], letter[8] = "    ";

		if (spec->letter)
			snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
		snprintf(left, sizeof(left), "  %s--%s%s%s", letter, spec->name,
		        spec->argument ? "=" : "", spec->argument ? spec->argument : "");
		printf("%-42s %s", left, spec->help);
		if (spec->preset)
			printf(" [%s]", spec->preset);
		putchar('\n');
	}
	printf("%-42s this help\n%-42s the version\n", "  -h, --help", "      --version");
}

static enum option_outcome
show(const struct option_table *table, bool version, char *problem, size_t size)
{
	if (version)
		printf("%s %s\n", table->program, ECHOD_VERSION);
	else
		print_help(table);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return OPTIONS_SHOWN;
	snprintf(problem, size, "standard output: %s", strerror(errno));
	return OPTIONS_FAILED;
}

/* What getopt_long did not take, in words. */
static void
explain_refusal(const struct option_table *table, int outcome, int refused, const char *given,
        char *problem, size_t size)
{
	if (refused >= VALUE_SPEC) {
		snprintf(problem, size, "--%s: needs a value",
		        table->specs[refused - VALUE_SPEC].name);
	} else if (refused >= VALUE_HELP) {
		snprintf(problem, size, "%s: takes no value", given);
	} else if (refused != 0) {
		snprintf(problem, size,
		        outcome == ':' ? "-%c: needs a value" : "-%c: unknown option", refused);
	} else {
		snprintf(problem, size, "%s: unknown or ambiguous option", given);
	}
}

static const struct option_spec *
find_letter(const struct option_table *table, int letter)
{
	size_t i = 0;

	while (table->specs[i].letter != letter) /* getopt returns no others */
		i++;
	return &table->specs[i];
}

/* getopt's view of the table. */
static void
describe(const struct option_table *table, struct option *longs, char *letters)
{
	*letters++ = ':'; /* report a missing value as ':' and print nothing */
	*letters++ = 'h';
	for (size_t i = 0; i < table->n_specs; i++) {
		const struct option_spec *spec = &table->specs[i];
		bool needs_value = spec->kind != OPTION_SWITCH;

		*longs++ = (struct option){spec->name,
		        needs_value ? required_argument : optional_argument, NULL,
		        VALUE_SPEC + (int)i};
		if (spec->letter)
			*letters++ = spec->letter;
		if (spec->letter && needs_value)
			*letters++ = ':';
	}
	*longs++ = (struct option){"help", no_argument, NULL, VALUE_HELP};
	*longs++ = (struct option){"version", no_argument, NULL, VALUE_VERSION};
	*longs = (struct option){0};
	*letters = '\0';
}

enum option_outcome
option_table_read(const struct option_table *table, int argc, char **argv, void *options,
        uint64_t *given, int *operands, char *problem, size_t size)
{
	struct option longs[MAX_SPECS + 3];
	char letters[2 * MAX_SPECS + 3];
	int found, error;

	for (size_t i = 0; i < table->n_specs; i++) {
		const struct option_spec *spec = &table->specs[i];

		if (spec->preset && set(spec, spec->preset, options, problem, size) < 0)
			return OPTIONS_WRONG;
	}
	*given = 0;
	describe(table, longs, letters);
	optind = 0; /* getopt(3): start afresh */
	opterr = 0;
	while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_spec *spec;

		if (found == '?' || found == ':') {
			explain_refusal(table, found, optopt, argv[optind - 1], problem, size);
			return OPTIONS_WRONG;
		}
		if (found == 'h' || found == VALUE_HELP || found == VALUE_VERSION)
			return show(table, found == VALUE_VERSION, problem, size);
		spec = found >= VALUE_SPEC ? &table->specs[found - VALUE_SPEC]
		                           : find_letter(table, found);
		error = set(spec, optarg, options, problem, size);
		if (error)
			return error == -ENOMEM ? OPTIONS_FAILED : OPTIONS_WRONG;
		*given |= UINT64_C(1) << (spec - table->specs);
	}
	*operands = optind;
	return OPTIONS_READ;
}
