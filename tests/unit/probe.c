#include "probe.h"

#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
call(void *options, const char *value)
{
	struct settings *s = options;

	if (strcmp(value, "bad") == 0)
		return -EINVAL;
	if (strcmp(value, "huge") == 0)
		return -ENOMEM;
	strcat(strcat(s->called, value), ",");
	return 0;
}

const struct option_spec probe_specs[PROBE_SPECS] = {
        {.name = "fast",
                .letter = 'f',
                .kind = OPTION_SWITCH,
                .offset = offsetof(struct settings, fast),
                .help = "hurry"},
        {.name = "far",
                .kind = OPTION_SWITCH,
                .argument = "on|off",
                .offset = offsetof(struct settings, far),
                .help = "go on"},
        {.name = "count",
                .letter = 'c',
                .kind = OPTION_COUNT,
                .argument = "N",
                .preset = "3",
                .min = 2,
                .max = 9,
                .zero_too = 1,
                .offset = offsetof(struct settings, count),
                .help = "how many"},
        {.name = "size",
                .kind = OPTION_SIZE,
                .argument = "BYTES",
                .preset = "2K",
                .min = 0,
                .max = 4096,
                .zero_too = 1,
                .offset = offsetof(struct settings, size),
                .help = "how much"},
        {.name = "time",
                .kind = OPTION_TIME,
                .argument = "TIME",
                .min = 10,
                .max = 60000,
                .offset = offsetof(struct settings, time),
                .help = "how long"},
        {.name = "name",
                .kind = OPTION_TEXT,
                .argument = "TEXT",
                .preset = "nobody",
                .offset = offsetof(struct settings, name),
                .help = "who"},
        {.name = "call",
                .kind = OPTION_CALL,
                .argument = "TEXT",
                .call = call,
                .expects = "anything but bad",
                .help = "what"},
};

struct option_table probe_table = {.program = "probe",
        .synopsis = "[OPTION]... PLACE...",
        .summary = "Probes.",
        .specs = probe_specs,
        .n_specs = ARRAY_SIZE(probe_specs)};

struct settings settings;
struct option_settings given;
int operands;
char problem[PROBE_PROBLEM];
char *probe_argv[16];

enum option_outcome
probe_try(const char *const *arguments, size_t size)
{
	static char copies[16][400];
	int argc = 0;

	for (; arguments[argc]; argc++) {
		assert_true(argc < 15);
		probe_argv[argc] = copies[argc];
		snprintf(copies[argc], sizeof(copies[argc]), "%s", arguments[argc]);
	}
	probe_argv[argc] = NULL;
	settings = (struct settings){0};
	memset(problem, '#', sizeof(problem));
	option_settings_free(&given);
	return option_table_read(
	        &probe_table, argc, probe_argv, &settings, &given, &operands, problem, size);
}

int
probe_teardown(void **state)
{
	(void)state;
	option_settings_free(&given);
	return 0;
}
