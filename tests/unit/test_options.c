#include "test.h"

#include "echod/options.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS   UINT64_C(86400000)
#define EIGHTEEN "/23456789012345678" /* bytes of a path */

static struct options options;
static char problem[512];

/* Reads what stands behind the program's name, up to NULL. */
static enum option_outcome
try(const char *const *arguments)
{
	static char copies[16][128];
	char *argv[18] = {copies[0]};
	int argc = 1;

	strcpy(copies[0], "echod");
	for (; arguments[argc - 1]; argc++) {
		assert_true(argc < 16);
		argv[argc] = copies[argc];
		snprintf(copies[argc], sizeof(copies[argc]), "%s", arguments[argc - 1]);
	}
	problem[0] = '\0';
	return options_read(&options, argc, argv, problem, sizeof(problem));
}

#define TRY(...) try((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void
assert_wrong(enum option_outcome outcome, const char *expected)
{
	assert_int_equal(outcome, OPTIONS_WRONG);
	assert_string_equal(problem, expected);
	options_free(&options);
}

/* The unit in which each kind of number can be given exactly; NULL: no number. */
static const char *const units[] = {
        [OPTION_COUNT] = "", [OPTION_SIZE] = "", [OPTION_TIME] = "ms", [OPTION_CALL] = NULL};

static const void *
field_of(const struct option_spec *spec)
{
	return (const char *)&options + spec->offset;
}

static void
number_taken(const struct option_spec *spec, uint64_t value)
{
	char argument[128];

	snprintf(argument, sizeof(argument), "--%s=%llu%s", spec->name, (unsigned long long)value,
	        units[spec->kind]);
	print_message("%s\n", argument);
	assert_int_equal(TRY(argument), OPTIONS_READ);
	assert_int_equal(*(const uint64_t *)field_of(spec), value);
	assert_int_equal(options.settings.count, 1);
	assert_ptr_equal(options.settings.all[0].spec, spec);
	options_free(&options);
}

static void
number_refused(const struct option_spec *spec, const char *value)
{
	char argument[128], expected[256], values[128];

	snprintf(argument, sizeof(argument), "--%s=%s", spec->name, value);
	snprintf(expected, sizeof(expected), "%s: must be %s", argument,
	        option_spec_values(spec, values, sizeof(values)));
	print_message("%s\n", argument);
	assert_wrong(TRY(argument), expected);
}

static void
defaults(void **state)
{
	(void)state;
	assert_int_equal(TRY(), OPTIONS_READ);
	assert_int_equal(options.port, 50007);
	assert_int_equal(options.listen.count, 0);
	assert_int_equal(options.udp_allowed.count + options.udp_refused.count, 0);
	assert_int_equal(options.udp_exempt.count + options.proxies.count, 0);
	assert_int_equal(options.settings.count, 0);
	assert_null(options_listening(&options));
	options_free(&options);
	for (size_t i = 0; i < options_table.n_specs; i++) {
		const struct option_spec *spec = &options_table.specs[i];
		char argument[128];
		uint64_t value;

		if (!units[spec->kind])
			continue;
		assert_int_equal(TRY(), OPTIONS_READ);
		value = *(const uint64_t *)field_of(spec);
		options_free(&options);
		if (!spec->preset) {
			assert_int_equal(value, 0);
			continue;
		}
		snprintf(argument, sizeof(argument), "--%s=%s", spec->name, spec->preset);
		assert_int_equal(TRY(argument), OPTIONS_READ);
		assert_int_equal(*(const uint64_t *)field_of(spec), value);
		options_free(&options);
	}
}

static void
numbers_within_their_bounds(void **state)
{
	size_t n_numbers = 0;

	(void)state;
	for (size_t i = 0; i < options_table.n_specs; i++) {
		const struct option_spec *spec = &options_table.specs[i];
		char beyond[32];

		if (!units[spec->kind])
			continue;
		n_numbers++;
		number_taken(spec, spec->min);
		number_taken(spec, spec->max);
		if (spec->zero_too)
			number_taken(spec, 0);
		snprintf(beyond, sizeof(beyond), "%llu%s", (unsigned long long)spec->max + 1,
		        units[spec->kind]);
		number_refused(spec, beyond);
		if (spec->min > spec->zero_too) {
			snprintf(beyond, sizeof(beyond), "%llu%s",
			        (unsigned long long)spec->min - 1, units[spec->kind]);
			number_refused(spec, beyond);
		}
		number_refused(spec, "");
		number_refused(spec, "-1");
	}
	assert_true(n_numbers > 10);
}

/* A switch changes its own field, and no other switch's. */
static void
switch_set(const struct option_spec *spec, const char *argument, bool value)
{
	assert_int_equal(TRY(argument), OPTIONS_READ);
	for (size_t i = 0; i < options_table.n_specs; i++) {
		const struct option_spec *other = &options_table.specs[i];

		if (other->kind == OPTION_SWITCH)
			assert_int_equal(*(const bool *)field_of(other),
			        other == spec ? value : other->preset != NULL);
	}
	options_free(&options);
}

static void
switches(void **state)
{
	(void)state;
	for (size_t i = 0; i < options_table.n_specs; i++) {
		const struct option_spec *spec = &options_table.specs[i];
		char argument[64], letter[] = {'-', spec->letter, '\0'};

		if (spec->kind != OPTION_SWITCH || strcmp(spec->name, "check") == 0)
			continue;
		snprintf(argument, sizeof(argument), "--%s", spec->name);
		print_message("%s\n", argument);
		switch_set(spec, argument, true);
		snprintf(argument, sizeof(argument), "--%s=off", spec->name);
		switch_set(spec, argument, false);
		if (spec->letter)
			switch_set(spec, letter, true);
	}
	assert_int_equal(TRY("--tcp=off", "--tcp", "--verbose", "--verbose=off"), OPTIONS_READ);
	assert_true(options.tcp && !options.verbose);
	options_free(&options);
	assert_int_equal(TRY("-qv"), OPTIONS_READ);
	assert_true(options.verbose && options.quiet);
	options_free(&options);
}

static void
addresses_in_their_order(void **state)
{
	static const char *const expected[] = {"192.0.2.1:7", "[::1]:5007", "[::1]:0"};

	(void)state;
	assert_int_equal(
	        TRY("--listen=192.0.2.1:7", "--listen", "::1", "--listen=[::1]:0", "--port=5007"),
	        OPTIONS_READ);
	assert_int_equal(options.listen.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		char text[ADDRESS_TEXT_SIZE];

		address_format(&options.listen.addresses[i].address, text, sizeof(text));
		assert_string_equal(text, expected[i]);
	}
	options_free(&options);
	assert_null(options.listen.addresses);
	assert_wrong(TRY("--listen=::1", "--listen=localhost"),
	        "--listen=localhost: must be an address such as 192.0.2.1, 192.0.2.1:7, "
	        "2001:db8::1 or [2001:db8::1]:7");
}

static void
lists_about_datagrams(void **state)
{
	static const struct {
		const char *argument, *expected;
	} wrong[] = {
	        {"--udp-allow-source-port=0", "a whole number from 1 to 65535"},
	        {"--udp-allow-source-port=65536", "a whole number from 1 to 65535"},
	        {"--udp-refuse-source-port=65536", "a whole number from 0 to 65535"},
	        {"--udp-refuse-source-port=dns", "a whole number from 0 to 65535"},
	        {"--udp-rate-exempt=10.0.0.0/33", "a prefix such as 192.0.2.0/24 or 2001:db8::/32"},
	        {"--proxy-protocol=UNIX",
	                "a prefix such as 192.0.2.0/24 or 2001:db8::/32, or unix"},
	        {"--udp-offload=yes", "on or off"},
	        {"--stats-socket=", "a path of 1 to 107 bytes"},
	        {"--stats-socket=" EIGHTEEN EIGHTEEN EIGHTEEN EIGHTEEN EIGHTEEN EIGHTEEN,
	                "a path of 1 to 107 bytes"},
	};

	(void)state;
	assert_int_equal(
	        TRY("--udp-allow-source-port=1", "--udp-refuse-source-port=0",
	                "--udp-allow-source-port=65535", "--udp-refuse-source-port=65535",
	                "--udp-rate-exempt=10.0.0.0/8", "--udp-rate-exempt=::1",
	                "--proxy-protocol=::1", "--proxy-protocol=unix", "--udp-offload=off",
	                "--udp-offload=on", "--stats-socket=run/stats"),
	        OPTIONS_READ);
	assert_int_equal(options.udp_allowed.count, 2);
	assert_int_equal(options.udp_allowed.ports[0], 1);
	assert_int_equal(options.udp_allowed.ports[1], 65535);
	assert_int_equal(options.udp_refused.count, 2);
	assert_int_equal(options.udp_refused.ports[0], 0);
	assert_int_equal(options.udp_refused.ports[1], 65535);
	assert_int_equal(options.udp_exempt.count, 2);
	assert_int_equal(options.proxies.count, 1);
	assert_true(options.unix_proxies);
	assert_true(options.udp_offload);
	assert_string_equal(options.stats_socket, "run/stats");
	options_free(&options);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char expected[192];

		snprintf(expected, sizeof(expected), "%s: must be %s", wrong[i].argument,
		        wrong[i].expected);
		assert_wrong(TRY(wrong[i].argument), expected);
	}
}

static void
what_makes_no_sense(void **state)
{
	(void)state;
	assert_wrong(TRY("--tcp=off", "--udp=off"),
	        "--tcp=off with --udp=off: nothing is left to serve");
	assert_wrong(TRY("50007"), "50007: unexpected argument");
	assert_wrong(TRY("-q", "--", "--quiet"), "--quiet: unexpected argument");
	assert_wrong(TRY("--listen"), "--listen: needs a value");
	assert_wrong(TRY("--frobnicate"), "--frobnicate: unknown or ambiguous option");
	assert_wrong(TRY("-p"), "-p: unknown option");
	assert_wrong(TRY("--quiet=yes"), "--quiet=yes: must be on or off");
}

static void
which_option_says_where_to_listen(void **state)
{
	const struct {
		const char *argument, *name;
	} samples[] = {{"--listen=::1", "listen"}, {"--port=50007", "port"}, {"--tcp=off", "tcp"},
	        {"--udp=off", "udp"}, {"--max-connections=5", NULL}, {"--buffer-size=4K", NULL},
	        {"-q", NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		assert_int_equal(TRY("-v", samples[i].argument), OPTIONS_READ);
		if (samples[i].name)
			assert_string_equal(
			        options_listening(&options)->spec->name, samples[i].name);
		else
			assert_null(options_listening(&options));
		options_free(&options);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(defaults),
	        cmocka_unit_test(numbers_within_their_bounds),
	        cmocka_unit_test(switches),
	        cmocka_unit_test(addresses_in_their_order),
	        cmocka_unit_test(lists_about_datagrams),
	        cmocka_unit_test(what_makes_no_sense),
	        cmocka_unit_test(which_option_says_where_to_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
