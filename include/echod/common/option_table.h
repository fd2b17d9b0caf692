/*
 * Options from one table: the help, the checks and the defaults of every option have this one
 * source, on the command line, which getopt_long(3) splits, and in a configuration file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
	OPTION_SWITCH, /* on, off or no value, which is on; sets a bool */
	OPTION_COUNT,  /* a whole number; sets a uint64_t */
	OPTION_TIME,   /* sets a uint64_t of milliseconds */
	OPTION_SIZE,   /* sets a uint64_t of bytes */
	OPTION_TEXT,   /* sets a const char *, pointing into argv */
	OPTION_CALL,   /* hands the value to a function, once each time the option is given */
};

struct option_spec {
	const char *name; /* without the dashes */
	enum option_kind kind;
	char letter;            /* the short form, or 0 */
	bool zero_too;          /* a number may also be 0 */
	bool listening;         /* says where to listen; for the caller */
	bool command_line_only; /* not for a file */
	const char
	        *argument;  /* what the help calls the value; NULL: the help shows the name alone */
	const char *preset; /* the default, read like a value of the command line; NULL: zero */
	size_t offset;      /* where in the caller's struct the value goes */
	uint64_t min, max;  /* what a number may be */
	/* OPTION_CALL: returns 0, -EINVAL when the value is not what `expects` says, or -ENOMEM */
	int (*call)(void *options, const char *value);
	const char *expects; /* the end of "must be …"; NULL for numbers, which say it themselves */
	const char *help;
};

struct option_table {
	const char *program; /* for --help and --version */
	const char *synopsis;
	const char *summary;
	const struct option_spec *specs;
	size_t n_specs; /* at most 64 */
};

/* An option as it was given. */
struct option_setting {
	const struct option_spec *spec;
	const char *value; /* NULL: a switch without one */
	const char *file;  /* NULL: on the command line */
	unsigned line;
	char *copy; /* where value points if it was in a file; owned by the settings */
};

/* All of them, in their order. Those of a file that the command line overrides are not among them.
 */
struct option_settings {
	struct option_setting *all; /* owned */
	size_t count;
};

enum option_outcome {
	OPTIONS_READ,
	OPTIONS_SHOWN,  /* --help or --version was asked for and has been printed to stdout */
	OPTIONS_WRONG,  /* problem says why */
	OPTIONS_FAILED, /* the system is in the way, and problem says how */
};

/*
 * Sets the defaults, then reads argv. -h, --help and --version exist in every table. On
 * OPTIONS_READ, *operands is the index in argv (reordered by getopt) of the first argument that is
 * no option. On OPTIONS_WRONG and OPTIONS_FAILED, problem holds one line that names the option and
 * the value, cut to size bytes: "--port=99999: must be a whole number from 0 to 65535". Free the
 * settings, where they are not NULL, whatever the outcome.
 */
enum option_outcome option_table_read(const struct option_table *table, int argc, char **argv,
        void *options, struct option_settings *settings, int *operands, char *problem, size_t size);

/* Sets one option and records it, where settings is not NULL; as option_table_read(). */
enum option_outcome option_table_set(const struct option_setting *setting, void *options,
        struct option_settings *settings, char *problem, size_t size);

/* The option of this name, NULL if there is none. */
const struct option_spec *option_table_find(const struct option_table *table, const char *name);

/* Whether an option was given on the command line. */
bool option_settings_have(const struct option_settings *settings, const struct option_spec *spec);
void option_settings_free(struct option_settings *settings);

/*
 * Prints to stdout what holds, in the format of a configuration file, and for each option where it
 * comes from. Returns OPTIONS_SHOWN, or OPTIONS_FAILED as option_table_read().
 */
enum option_outcome option_settings_show(const struct option_settings *settings,
        const struct option_table *table, char *problem, size_t size);

/* Writes the option with its place, for messages: "--port", "FILE:7: port". Returns text. */
char *option_setting_name(const struct option_setting *setting, char *text, size_t size);

/* Writes what a value must be: "a whole number from 0 to 65535". Returns text. */
char *option_spec_values(const struct option_spec *spec, char *text, size_t size);
