#include "echod/common/option_table.h"

#include "echod/common/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_SPECS = 64,
	VALUE_HELP = 1000,
	VALUE_VERSION,
	VALUE_SPEC, /* + index of the spec */
};

char *
option_setting_name(const struct option_setting *setting, char *text, size_t size)
{
	if (setting->file)
		snprintf(
		        text, size, "%s:%u: %s", setting->file, setting->line, setting->spec->name);
	else
		snprintf(text, size, "--%s", setting->spec->name);
	return text;
}

char *
option_spec_values(const struct option_spec *spec, char *text, size_t size)
{
	unsigned long long min = spec->min, max = spec->max;
	const char *zero = spec->zero_too && min > 0 ? "0, or " : "";

	switch (spec->kind) {
	case OPTION_SWITCH:
		snprintf(text, size, "on or off");
		break;
	case OPTION_COUNT:
		snprintf(text, size, "%sa whole number from %llu to %llu", zero, min, max);
		break;
	case OPTION_TIME:
		snprintf(text, size,
		        "%sa time such as 90, 1.5s, 500ms, 2m or 1h, from %llums to %llus", zero,
		        min, max / 1000);
		break;
	case OPTION_SIZE:
		snprintf(text, size, "%sa size such as 4096, 16K or 256M, from %llu to %llu bytes",
		        zero, min, max);
		break;
	case OPTION_TEXT:
	case OPTION_CALL:
	default:
		snprintf(text, size, "%s", spec->expects);
		break;
	}
	return text;
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
set_field(const struct option_spec *spec, const char *value, void *options)
{
	char *field = (char *)options + spec->offset;
	uint64_t number;
	int error;
	bool on;

	switch (spec->kind) {
	case OPTION_SWITCH:
		on = !value || strcmp(value, "on") == 0;
		*(bool *)field = on;
		return on || strcmp(value, "off") == 0 ? 0 : -EINVAL;
	case OPTION_TEXT:
		*(const char **)field = value;
		return 0;
	case OPTION_CALL:
		return spec->call(options, value);
	case OPTION_COUNT:
	case OPTION_TIME:
	case OPTION_SIZE:
	default:
		error = parse_number(spec, value, &number);
		if (!error)
			*(uint64_t *)field = number;
		return error;
	}
}

static enum option_outcome
apply(const struct option_setting *setting, void *options, char *problem, size_t size)
{
	const char *value = setting->value; /* without one there is nothing to refuse */
	char name[256], values[256];
	int error = set_field(setting->spec, value, options);

	if (!error)
		return OPTIONS_READ;
	snprintf(problem, size, "%s%s%s: %s%s", option_setting_name(setting, name, sizeof(name)),
	        setting->file ? " = " : "=", value, error == -ENOMEM ? "" : "must be ",
	        error == -ENOMEM ? strerror(ENOMEM)
	                         : option_spec_values(setting->spec, values, sizeof(values)));
	return error == -ENOMEM ? OPTIONS_FAILED : OPTIONS_WRONG;
}

/* Returns the record, NULL without memory. */
static struct option_setting *
record(struct option_settings *settings, const struct option_setting *setting)
{
	struct option_setting *more =
	        reallocarray(settings->all, settings->count + 1, sizeof(*more));

	if (!more)
		return NULL;
	settings->all = more;
	more += settings->count;
	*more = *setting;
	if (setting->file) { /* argv stays, a line of a file does not */
		more->value = more->copy = strdup(setting->value);
		if (!more->copy)
			return NULL;
	}
	settings->count++;
	return more;
}

enum option_outcome
option_table_set(const struct option_setting *setting, void *options,
        struct option_settings *settings, char *problem, size_t size)
{
	const struct option_setting *recorded = settings ? record(settings, setting) : setting;

	if (recorded)
		return apply(recorded, options, problem, size);
	snprintf(problem, size, "options: %s", strerror(errno));
	return OPTIONS_FAILED;
}

const struct option_spec *
option_table_find(const struct option_table *table, const char *name)
{
	for (size_t i = 0; i < table->n_specs; i++)
		if (strcmp(table->specs[i].name, name) == 0)
			return &table->specs[i];
	return NULL;
}

bool
option_settings_have(const struct option_settings *settings, const struct option_spec *spec)
{
	for (size_t i = 0; i < settings->count; i++)
		if (settings->all[i].spec == spec && !settings->all[i].file)
			return true;
	return false;
}

void
option_settings_free(struct option_settings *settings)
{
	for (size_t i = 0; i < settings->count; i++)
		free(settings->all[i].copy);
	free(settings->all);
	*settings = (struct option_settings){0};
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

/* Help that cannot be written is a failure. */
static enum option_outcome
finish_showing(char *problem, size_t size)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return OPTIONS_SHOWN;
	snprintf(problem, size, "standard output: %s", strerror(errno));
	return OPTIONS_FAILED;
}

static void
show_setting(const struct option_setting *setting)
{
	char text[128];

	snprintf(text, sizeof(text), "%s = %s", setting->spec->name,
	        setting->value ? setting->value : "on");
	if (setting->file)
		printf("%-38s ; %s:%u\n", text, setting->file, setting->line);
	else
		printf("%-38s ; command line\n", text);
}

static void
show_default(const struct option_spec *spec)
{
	const char *value = spec->kind == OPTION_SWITCH && !spec->preset ? "off" : spec->preset;
	char text[128];

	if (!value) {
		printf("# %s is not set: %s\n", spec->name, spec->help);
		return;
	}
	snprintf(text, sizeof(text), "%s = %s", spec->name, value);
	printf("%-38s ; default\n", text);
}

enum option_outcome
option_settings_show(const struct option_settings *settings, const struct option_table *table,
        char *problem, size_t size)
{
	for (size_t i = 0; i < table->n_specs; i++) {
		const struct option_setting *last = NULL;

		if (table->specs[i].command_line_only)
			continue;
		for (size_t j = 0; j < settings->count; j++) {
			if (settings->all[j].spec != &table->specs[i])
				continue;
			if (last && last->spec->kind == OPTION_CALL)
				show_setting(last);
			last = &settings->all[j];
		}
		if (last)
			show_setting(last);
		else
			show_default(&table->specs[i]);
	}
	return finish_showing(problem, size);
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

static enum option_outcome
apply_defaults(const struct option_table *table, void *options, char *problem, size_t size)
{
	enum option_outcome outcome = OPTIONS_READ;

	for (size_t i = 0; i < table->n_specs && outcome == OPTIONS_READ; i++) {
		const struct option_spec *spec = &table->specs[i];

		if (spec->preset)
			outcome =
			        apply(&(struct option_setting){.spec = spec, .value = spec->preset},
			                options, problem, size);
	}
	return outcome;
}

enum option_outcome
option_table_read(const struct option_table *table, int argc, char **argv, void *options,
        struct option_settings *settings, int *operands, char *problem, size_t size)
{
	enum option_outcome outcome = apply_defaults(table, options, problem, size);
	struct option longs[MAX_SPECS + 3];
	char letters[2 * MAX_SPECS + 3];
	int found;

	describe(table, longs, letters);
	optind = 0; /* getopt(3): start afresh */
	opterr = 0;
	while (outcome == OPTIONS_READ &&
	        (found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		struct option_setting setting = {.value = optarg};

		if (found == '?' || found == ':') {
			explain_refusal(table, found, optopt, argv[optind - 1], problem, size);
			return OPTIONS_WRONG;
		}
		if (found == VALUE_VERSION) {
			printf("%s %s\n", table->program, ECHOD_VERSION);
			return finish_showing(problem, size);
		}
		if (found == 'h' || found == VALUE_HELP) {
			print_help(table);
			return finish_showing(problem, size);
		}
		setting.spec = found >= VALUE_SPEC ? &table->specs[found - VALUE_SPEC]
		                                   : find_letter(table, found);
		outcome = option_table_set(&setting, options, settings, problem, size);
	}
	*operands = optind;
	return outcome;
}
