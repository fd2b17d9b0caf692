#include "test.h"

#include "probe.h"

#include <stdio.h>
#include <string.h>

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
	assert_string_equal(probe_argv[operands], "off");
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
	assert_string_equal(probe_argv[operands], "here");
	assert_string_equal(probe_argv[operands + 1], "there");
	assert_string_equal(probe_argv[operands + 2], "-c");
	assert_null(probe_argv[operands + 3]);
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
	assert_int_equal(probe_try(arguments, 20), OPTIONS_WRONG);
	assert_string_equal(problem, "--count=xxxxxxxxxxx");
	assert_int_equal(problem[20], '#');
	memcpy(longest, "--wrong=", 8);
	assert_int_equal(probe_try(arguments, 20), OPTIONS_WRONG);
	assert_string_equal(problem, "--wrong=xxxxxxxxxxx");
	assert_int_equal(problem[20], '#');
}

static void
a_default_is_checked_too(void **state)
{
	static const struct option_spec wrong[] = {
	        {.name = "port", .kind = OPTION_COUNT, .preset = "70000", .max = 65535},
	        {.name = "fast", .kind = OPTION_SWITCH}};

	(void)state;
	probe_table.specs = wrong;
	probe_table.n_specs = 2;
	assert_int_equal(TRY(), OPTIONS_WRONG);
	assert_string_equal(problem, "--port=70000: must be a whole number from 0 to 65535");
	probe_table.specs = probe_specs;
	probe_table.n_specs = PROBE_SPECS;
}

static void
what_is_not_recorded_is_set(void **state)
{
	const struct option_setting setting = {
	        .spec = option_table_find(&probe_table, "count"), .value = "5"};

	(void)state;
	assert_int_equal(TRY(), OPTIONS_READ);
	assert_int_equal(option_table_set(&setting, &settings, NULL, problem, sizeof(problem)),
	        OPTIONS_READ);
	assert_int_equal(settings.count, 5);
	assert_int_equal(given.count, 0);
}

static void
what_the_system_lacks_is_no_wrong_option(void **state)
{
	(void)state;
	assert_int_equal(TRY("--call=huge"), OPTIONS_FAILED);
	assert_string_equal(problem, "--call=huge: Cannot allocate memory");
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
	        cmocka_unit_test(what_is_not_recorded_is_set),
	        cmocka_unit_test(what_the_system_lacks_is_no_wrong_option),
	};

	return cmocka_run_group_tests(tests, NULL, probe_teardown);
}
