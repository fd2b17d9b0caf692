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

static void
defaults(void **state)
{
	(void)state;
	assert_int_equal(TRY(), OPTIONS_READ);
	assert_int_equal(options.listen.count, 0);
	assert_int_equal(options.port, 50007);
	assert_int_equal(options.max_connections, 0);
	assert_int_equal(options.max_connections_per_source, 0);
	assert_int_equal(options.accept_rate, 0);
	assert_int_equal(options.buffer_size, 256 * 1024);
	assert_int_equal(options.buffer_memory, 256 * 1024 * 1024);
	assert_int_equal(options.idle_timeout, 0);
	assert_int_equal(options.idle_timeout_full, 60000);
	assert_int_equal(options.stall_timeout, 60000);
	assert_int_equal(options.keepalive, 600000);
	assert_int_equal(options.drain_delay, 0);
	assert_int_equal(options.drain_timeout, 5000);
	assert_int_equal(options.exit_idle_time, 0);
	assert_int_equal(options.udp_rate, 1000);
	assert_int_equal(options.udp_allowed.count + options.udp_refused.count, 0);
	assert_int_equal(options.udp_exempt.count, 0);
	assert_true(options.tcp && options.udp && options.udp_offload && options.dscp);
	assert_false(options.activated || options.udp_rate_log_only || options.log_connections ||
	             options.verbose || options.quiet);
	assert_int_equal(options.settings.count, 0);
	assert_null(options_listening(&options));
	options_free(&options);
}

struct number {
	const char *name;
	const uint64_t *field;
	const char *what; /* how a message says what the number must be */
	struct {
		const char *text;
		uint64_t value;
	} good[3];
	const char *bad[8]; /* just outside, and no such numbers */
};

static const struct number numbers[] = {
        {"port", &options.port, "a whole number from 0 to 65535", {{"0", 0}, {"65535", 65535}},
                {"65536", "-1", "", "0x50", "http", "7 ", "5s"}},
        {"max-connections", &options.max_connections, "a whole number from 1 to 100000000",
                {{"1", 1}, {"100000000", 100000000}}, {"0", "100000001", "", "1K", "-1"}},
        {"max-connections-per-source", &options.max_connections_per_source,
                "a whole number from 0 to 4294967295", {{"0", 0}, {"4294967295", 4294967295}},
                {"4294967296", "18446744073709551617", "", "all"}},
        {"accept-rate", &options.accept_rate, "a whole number from 0 to 1000000000",
                {{"0", 0}, {"1000000000", 1000000000}}, {"1000000001", "", "5/s"}},
        {"buffer-size", &options.buffer_size,
                "a size such as 4096, 16K or 256M, from 4096 to 1073741824 bytes",
                {{"4096", 4096}, {"4K", 4096}, {"1G", 1 << 30}},
                {"4095", "3K", "1073741825", "2G", "0", "", "16k"}},
        {"buffer-memory", &options.buffer_memory,
                "a size such as 4096, 16K or 256M, from 0 to 1099511627776 bytes",
                {{"0", 0}, {"1", 1}, {"1024G", UINT64_C(1) << 40}},
                {"1025G", "1099511627777", "", "1T"}},
        {"idle-timeout", &options.idle_timeout,
                "0, or a time such as 90, 1.5s, 500ms, 2m or 1h, from 100ms to 31536000s",
                {{"0", 0}, {"100ms", 100}, {"8760h", 365 * DAY_MS}},
                {"99ms", "0.09", "8761h", "31536000001ms", "", ".5", "1d"}},
        {"idle-timeout-full", &options.idle_timeout_full,
                "0, or a time such as 90, 1.5s, 500ms, 2m or 1h, from 100ms to 31536000s",
                {{"0", 0}, {"0.1", 100}, {"8760h", 365 * DAY_MS}},
                {"99ms", "8761h", "31536000001ms", "", "60 s"}},
        {"stall-timeout", &options.stall_timeout,
                "0, or a time such as 90, 1.5s, 500ms, 2m or 1h, from 100ms to 31536000s",
                {{"0", 0}, {"100ms", 100}, {"8760h", 365 * DAY_MS}},
                {"99ms", "8761h", "31536000001ms", "", "never"}},
        {"keepalive", &options.keepalive,
                "0, or a time such as 90, 1.5s, 500ms, 2m or 1h, from 1000ms to 32767s",
                {{"0", 0}, {"1s", 1000}, {"32767s", 32767000}},
                {"999ms", "32768", "32767001ms", "", "10 m"}},
        {"exit-idle-time", &options.exit_idle_time,
                "0, or a time such as 90, 1.5s, 500ms, 2m or 1h, from 1000ms to 31536000s",
                {{"0", 0}, {"1s", 1000}, {"8760h", 365 * DAY_MS}}, {"999ms", "8761h", ""}},
        {"udp-rate", &options.udp_rate, "a whole number from 0 to 10000000",
                {{"0", 0}, {"10000000", 10000000}}, {"10000001", "", "1K"}},
        {"drain-delay", &options.drain_delay,
                "0, or a time such as 90, 1.5s, 500ms, 2m or 1h, from 1ms to 86400s",
                {{"0", 0}, {"1ms", 1}, {"24h", DAY_MS}}, {"86400001ms", "25h", "", "-1"}},
        {"drain-timeout", &options.drain_timeout,
                "0, or a time such as 90, 1.5s, 500ms, 2m or 1h, from 1ms to 86400s",
                {{"0", 0}, {"1ms", 1}, {"24h", DAY_MS}}, {"86400001ms", "25h", "", "5."}},
};

static void
numbers_within_their_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct number *n = &numbers[i];

		for (size_t g = 0; g < ARRAY_SIZE(n->good) && n->good[g].text; g++) {
			char argument[128];

			snprintf(argument, sizeof(argument), "--%s=%s", n->name, n->good[g].text);
			print_message("%s\n", argument);
			assert_int_equal(TRY(argument), OPTIONS_READ);
			assert_int_equal(*n->field, n->good[g].value);
			assert_int_equal(options.settings.count, 1);
			assert_string_equal(options.settings.all[0].spec->name, n->name);
			options_free(&options);
		}
		for (size_t b = 0; b < ARRAY_SIZE(n->bad) && n->bad[b]; b++) {
			char argument[128], expected[256];

			snprintf(argument, sizeof(argument), "--%s=%s", n->name, n->bad[b]);
			snprintf(expected, sizeof(expected), "%s: must be %s", argument, n->what);
			print_message("%s\n", argument);
			assert_wrong(TRY(argument), expected);
		}
	}
}

static void
switches(void **state)
{
	const struct {
		const char *argument;
		const bool *field;
		bool preset;
	} samples[] = {{"--tcp=off", &options.tcp, true}, {"--udp=off", &options.udp, true},
	        {"--log-connections", &options.log_connections, false},
	        {"--activated=on", &options.activated, false}, {"--dscp=off", &options.dscp, true},
	        {"--udp-offload=off", &options.udp_offload, true},
	        {"--udp-rate-log-only", &options.udp_rate_log_only, false},
	        {"--verbose", &options.verbose, false}, {"-v", &options.verbose, false},
	        {"--quiet=on", &options.quiet, false}, {"-q", &options.quiet, false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		assert_int_equal(TRY(samples[i].argument), OPTIONS_READ);
		for (size_t other = 0; other < ARRAY_SIZE(samples); other++)
			assert_int_equal(*samples[other].field,
			        samples[other].preset ^ (samples[other].field == samples[i].field));
		options_free(&options);
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
	                "--udp-offload=off", "--udp-offload=on", "--stats-socket=run/stats"),
	        OPTIONS_READ);
	assert_int_equal(options.udp_allowed.count, 2);
	assert_int_equal(options.udp_allowed.ports[0], 1);
	assert_int_equal(options.udp_allowed.ports[1], 65535);
	assert_int_equal(options.udp_refused.count, 2);
	assert_int_equal(options.udp_refused.ports[0], 0);
	assert_int_equal(options.udp_refused.ports[1], 65535);
	assert_int_equal(options.udp_exempt.count, 2);
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
