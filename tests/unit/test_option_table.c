#include "test.h"

#include "echod/common/option_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct settings {
	bool fast, far;
	uint64_t count, size, time;
	const char *name;
	char called[64]; /* every value of --call, a comma behind each */
};

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

static const struct option_spec specs[] = {
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

static struct option_table table = {.program = "probe",
        .synopsis = "[OPTION]... PLACE...",
        .summary = "Probes.",
        .specs = specs,
        .n_specs = ARRAY_SIZE(specs)};

static struct settings settings;
static struct option_settings given;
static int operands;
static char problem[256];
static char *argv[16];

static enum option_outcome
try_sized(const char *const *arguments, size_t size)
{
	static char copies[16][400];
	int argc = 0;

	for (; arguments[argc]; argc++) {
		assert_true(argc < 15);
		argv[argc] = copies[argc];
		snprintf(copies[argc], sizeof(copies[argc]), "%s", arguments[argc]);
	}
	argv[argc] = NULL;
	settings = (struct settings){0};
	memset(problem, '#', sizeof(problem));
	option_settings_free(&given);
	return option_table_read(&table, argc, argv, &settings, &given, &operands, problem, size);
}

/* The names of the options given, in their order, a space behind each. */
static const char *
names(void)
{
	static char text[256];

	text[0] = '\0';
	for (size_t i = 0; i < given.count; i++)
		strcat(strcat(text, given.all[i].spec->name), " ");
	return text;
}

#define TRY(...) try_sized((const char *const[]){"probe", __VA_ARGS__ __VA_OPT__(, ) NULL}, 256)

static void
defaults_come_from_the_table(void **state)
{
	(void)state;
	assert_int_equal(TRY(), OPTIONS_READ);
	assert_int_equal(settings.count, 3);
	assert_int_equal(settings.size, 2048);
	assert_int_equal(settings.time, 0);
	assert_string_equal(settings.name, "nobody");
	assert_false(settings.fast || settings.far);
	assert_int_equal(given.count, 0);
	assert_int_equal(operands, 1);
}

static void
every_kind_is_set(void **state)
{
	(void)state;
	assert_int_equal(TRY("--fast", "--count=9", "--size", "4K", "--time=1m", "--name=x y",
	                         "--call=a", "--call=b"),
	        OPTIONS_READ);
	assert_true(settings.fast && !settings.far);
	assert_int_equal(settings.count, 9);
	assert_int_equal(settings.size, 4096);
	assert_int_equal(settings.time, 60000);
	assert_string_equal(settings.name, "x y");
	assert_string_equal(settings.called, "a,b,");
	assert_string_equal(names(), "fast count size time name call call ");
}

static void
bounds_are_within(void **state)
{
	const struct {
		const char *argument;
		uint64_t count;
	} samples[] = {{"--count=2", 2}, {"--count=9", 9}, {"--count=0", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		assert_int_equal(TRY(samples[i].argument), OPTIONS_READ);
		assert_int_equal(settings.count, samples[i].count);
	}
}

static void
switches_take_on_and_off(void **state)
{
	(void)state;
	assert_int_equal(TRY("--fast=on", "--far", "--far=off"), OPTIONS_READ);
	assert_true(settings.fast && !settings.far);
	assert_string_equal(names(), "fast far far ");
	assert_int_equal(TRY("--fast", "off"), OPTIONS_READ); /* not its value */
	assert_true(settings.fast);
	assert_string_equal(argv[operands], "off");
}

static void
letters_take_values_in_every_way(void **state)
{
	(void)state;
	assert_int_equal(TRY("-f", "-c", "4"), OPTIONS_READ);
	assert_int_equal(settings.count, 4);
	assert_string_equal(names(), "fast count ");
	assert_int_equal(TRY("-fc5"), OPTIONS_READ);
	assert_true(settings.fast);
	assert_int_equal(settings.count, 5);
	assert_int_equal(TRY("-c5", "-c6"), OPTIONS_READ);
	assert_int_equal(settings.count, 6); /* the last one counts */
}

static void
abbreviations_as_far_as_they_are_clear(void **state)
{
	(void)state;
	assert_int_equal(TRY("--cou=4", "--fas"), OPTIONS_READ);
	assert_int_equal(settings.count, 4);
	assert_true(settings.fast);
	assert_int_equal(TRY("--fa"), OPTIONS_WRONG);
	assert_string_equal(problem, "--fa: unknown or ambiguous option");
	assert_int_equal(TRY("--c=4"), OPTIONS_WRONG);
	assert_string_equal(problem, "--c=4: unknown or ambiguous option");
}

static void
operands_stay_behind(void **state)
{
	(void)state;
	assert_int_equal(TRY("here", "-f", "there", "--", "-c"), OPTIONS_READ);
	assert_string_equal(argv[operands], "here");
	assert_string_equal(argv[operands + 1], "there");
	assert_string_equal(argv[operands + 2], "-c");
	assert_null(argv[operands + 3]);
	assert_string_equal(names(), "fast ");
}

static void
problems_name_option_and_value(void **state)
{
	const struct {
		const char *first, *second, *problem;
	} samples[] = {
	        {"--count=10", NULL, "--count=10: must be 0, or a whole number from 2 to 9"},
	        {"--count=1", NULL, "--count=1: must be 0, or a whole number from 2 to 9"},
	        {"-c", "x", "--count=x: must be 0, or a whole number from 2 to 9"},
	        {"--cou", "-f", "--count=-f: must be 0, or a whole number from 2 to 9"},
	        {"--size=5K", NULL,
	                "--size=5K: must be a size such as 4096, 16K or 256M, "
	                "from 0 to 4096 bytes"},
	        {"--time=0", NULL,
	                "--time=0: must be a time such as 90, 1.5s, 500ms, 2m or 1h, "
	                "from 10ms to 60s"},
	        {"--call=bad", NULL, "--call=bad: must be anything but bad"},
	        {"--name", NULL, "--name: needs a value"},
	        {"--na", NULL, "--name: needs a value"},
	        {"-fc", NULL, "-c: needs a value"},
	        {"--far=x", NULL, "--far=x: must be on or off"},
	        {"--fast=", NULL, "--fast=: must be on or off"},
	        {"--help=me", NULL, "--help=me: takes no value"},
	        {"--vers=1", NULL, "--vers=1: takes no value"},
	        {"-x", NULL, "-x: unknown option"},
	        {"-fx", NULL, "-x: unknown option"},
	        {"there", "--nowhere", "--nowhere: unknown or ambiguous option"},
	        {"-f", "--no=5", "--no=5: unknown or ambiguous option"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		assert_int_equal(TRY(samples[i].first, samples[i].second), OPTIONS_WRONG);
		assert_string_equal(problem, samples[i].problem);
	}
}

static void
problems_are_cut_to_size(void **state)
{
	char longest[390];
	const char *const arguments[] = {"probe", longest, NULL};

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memcpy(longest, "--count=", 8);
	assert_int_equal(try_sized(arguments, 20), OPTIONS_WRONG);
	assert_string_equal(problem, "--count=xxxxxxxxxxx");
	assert_int_equal(problem[20], '#');
	memcpy(longest, "--wrong=", 8);
	assert_int_equal(try_sized(arguments, 20), OPTIONS_WRONG);
	assert_string_equal(problem, "--wrong=xxxxxxxxxxx");
	assert_int_equal(problem[20], '#');
}

static void
a_default_is_checked_too(void **state)
{
	static const struct option_spec wrong = {
	        .name = "port", .kind = OPTION_COUNT, .preset = "70000", .max = 65535};

	(void)state;
	table.specs = &wrong;
	table.n_specs = 1;
	assert_int_equal(TRY(), OPTIONS_WRONG);
	assert_string_equal(problem, "--port=70000: must be a whole number from 0 to 65535");
	table.specs = specs;
	table.n_specs = ARRAY_SIZE(specs);
}

/* Between the two, what is printed goes to a file in memory. */
static int captured_fd, stdout_fd;

static void
begin_capture(void)
{
	captured_fd = memfd_create("stdout", MFD_CLOEXEC);
	stdout_fd = dup(STDOUT_FILENO);
	assert_true(captured_fd >= 0 && stdout_fd >= 0);
	fflush(stdout);
	dup2(captured_fd, STDOUT_FILENO);
}

static void
end_capture(const char *expected)
{
	char shown[2048] = "";

	fflush(stdout);
	dup2(stdout_fd, STDOUT_FILENO);
	close(stdout_fd);
	assert_true(pread(captured_fd, shown, sizeof(shown) - 1, 0) > 0);
	close(captured_fd);
	assert_string_equal(shown, expected);
}

/* What an option prints to stdout. */
static void
assert_shown(const char *option, const char *expected)
{
	enum option_outcome outcome;

	begin_capture();
	outcome = TRY("--count=4", option, "--nonsense");
	end_capture(expected);
	assert_int_equal(outcome, OPTIONS_SHOWN);
}

static const char help[] = "Usage: probe [OPTION]... PLACE...\n"
                           "Probes.\n"
                           "\n"
                           "  -f, --fast                               hurry\n"
                           "      --far=on|off                         go on\n"
                           "  -c, --count=N                            how many [3]\n"
                           "      --size=BYTES                         how much [2K]\n"
                           "      --time=TIME                          how long\n"
                           "      --name=TEXT                          who [nobody]\n"
                           "      --call=TEXT                          what\n"
                           "  -h, --help                               this help\n"
                           "      --version                            the version\n";

static void
help_and_version(void **state)
{
	(void)state;
	assert_shown("--version", "probe " ECHOD_VERSION "\n");
	assert_shown("-h", help);
	assert_shown("--help", help);
}

static void
shows_what_holds_and_where_it_comes_from(void **state)
{
	const struct option_setting in_file = {
	        .spec = &specs[6], .value = "c", .file = "x.conf", .line = 7};
	enum option_outcome outcome;

	(void)state;
	assert_int_equal(TRY("--count=4", "-f", "--call=a", "--count=5", "--call=b", "--far=off"),
	        OPTIONS_READ);
	assert_int_equal(option_table_set(&in_file, &settings, &given, problem, sizeof(problem)),
	        OPTIONS_READ);
	assert_string_equal(settings.called, "a,b,c,");
	begin_capture();
	outcome = option_settings_show(&given, &table, problem, sizeof(problem));
	end_capture("fast = on                              ; command line\n"
	            "far = off                              ; command line\n"
	            "count = 5                              ; command line\n"
	            "size = 2K                              ; default\n"
	            "# time is not set: how long\n"
	            "name = nobody                          ; default\n"
	            "call = a                               ; command line\n"
	            "call = b                               ; command line\n"
	            "call = c                               ; x.conf:7\n");
	assert_int_equal(outcome, OPTIONS_SHOWN);
}

static void
what_the_system_lacks_is_no_wrong_option(void **state)
{
	(void)state;
	assert_int_equal(TRY("--call=huge"), OPTIONS_FAILED);
	assert_string_equal(problem, "--call=huge: Cannot allocate memory");
}

/* Where the text goes out at its end, and where it does line by line. */
static void
help_that_cannot_be_written_fails(void **state)
{
	const char *const arguments[] = {"probe", "--help", NULL};
	static const int modes[] = {_IOFBF, _IONBF};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved = dup(STDOUT_FILENO);
		enum option_outcome outcome;

		fflush(stdout);
		dup2(full, STDOUT_FILENO);
		setvbuf(stdout, NULL, modes[i], BUFSIZ);
		outcome = try_sized(arguments, sizeof(problem));
		fflush(stdout);
		dup2(saved, STDOUT_FILENO);
		setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
		clearerr(stdout);
		close(full);
		close(saved);
		assert_int_equal(outcome, OPTIONS_FAILED);
		assert_string_equal(problem, "standard output: No space left on device");
	}
}

static int
free_settings(void **state)
{
	(void)state;
	option_settings_free(&given);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(defaults_come_from_the_table),
	        cmocka_unit_test(every_kind_is_set),
	        cmocka_unit_test(bounds_are_within),
	        cmocka_unit_test(switches_take_on_and_off),
	        cmocka_unit_test(letters_take_values_in_every_way),
	        cmocka_unit_test(abbreviations_as_far_as_they_are_clear),
	        cmocka_unit_test(operands_stay_behind),
	        cmocka_unit_test(problems_name_option_and_value),
	        cmocka_unit_test(problems_are_cut_to_size),
	        cmocka_unit_test(a_default_is_checked_too),
	        cmocka_unit_test(help_and_version),
	        cmocka_unit_test(shows_what_holds_and_where_it_comes_from),
	        cmocka_unit_test(what_the_system_lacks_is_no_wrong_option),
	        cmocka_unit_test(help_that_cannot_be_written_fails),
	};

	return cmocka_run_group_tests(tests, NULL, free_settings);
}
