/*
 * Command lines from one table: the help, the checks and the defaults of every option have this one
 * source. getopt_long(3) does the splitting.
 */
#ifndef ECHOD_COMMON_OPTION_TABLE_H
#define ECHOD_COMMON_OPTION_TABLE_H

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
	char letter;      /* the short form, or 0 */
	enum option_kind kind;
	const char
	        *argument;  /* what the help calls the value; NULL: the help shows the name alone */
	const char *preset; /* the default, read like a value of the command line; NULL: zero */
	size_t offset;      /* where in the caller's struct the value goes */
	uint64_t min, max;  /* what a number may be, 0 too where zero_too */
	int zero_too;
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

enum option_outcome {
	OPTIONS_READ,
	OPTIONS_SHOWN,  /* --help or --version was asked for and has been printed to stdout */
	OPTIONS_WRONG,  /* problem says why */
	OPTIONS_FAILED, /* the system is in the way, and problem says how */
};

/*
 * Sets the defaults, then reads argv. -h, --help and --version exist in every table. On
 * OPTIONS_READ, *operands is the index in argv (reordered by getopt) of the first argument that is
 * no option, and bit i of *given is set when specs[i] was on the command line. On OPTIONS_WRONG and
 * OPTIONS_FAILED, problem holds one
 * line that names the option and the value, cut to size bytes:
 * "--port=99999: must be a whole number from 0 to 65535".
 */
enum option_outcome option_table_read(const struct option_table *table, int argc, char **argv,
        void *options, uint64_t *given, int *operands, char *problem, size_t size);

#endif
