/*
 * A table with an option of each kind, and what a command line makes of it.
 */
#pragma once

#include "echod/common/option_table.h"

enum {
	PROBE_SPECS = 7,
	PROBE_PROBLEM = 256,
};

struct settings {
	bool fast, far;
	uint64_t count, size, time;
	const char *name;
	char called[64]; /* every value of --call, a comma behind each */
};

extern const struct option_spec probe_specs[PROBE_SPECS];
extern struct option_table probe_table;

/* What the latest call of probe_try() left. */
extern struct settings settings;
extern struct option_settings given;
extern int operands;
extern char problem[PROBE_PROBLEM];
extern char *probe_argv[16];

/* Reads a command line, up to NULL; size: of the problem. */
enum option_outcome probe_try(const char *const *arguments, size_t size);

/* A fixture of cmocka: frees what was given. */
int probe_teardown(void **state);

#define TRY(...)                                                                                   \
	probe_try((const char *const[]){"probe", __VA_ARGS__ __VA_OPT__(, ) NULL}, PROBE_PROBLEM)
