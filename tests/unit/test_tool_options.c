#include "test.h"

#include "echod/tools/reason.h"
#include "echod/tools/result.h"
#include "echod/tools/tool_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct options {
	struct tool_target target;
};

static const struct option_spec specs[] = {TOOL_TARGET_ROWS(struct options, target)};
static const struct option_table table = {"tool", "HOST", "A tool.", specs, 4};

static struct options options;
static char problem[256];

/* Words apart by single spaces. */
static enum option_outcome
read_line(const char *line)
{
	char *words = strdup(line), *argv[8], *rest = words;
	int argc = 0;
	uint64_t given;
	enum option_outcome outcome;

	while ((argv[argc] = strsep(&rest, " ")))
		argc++;
	options = (struct options){0};
	*problem = '\0';
	outcome = tool_options_read(
	        &table, argc, argv, &options, &options.target, &given, problem, sizeof(problem));
	if (options.target.host) /* it points into the line */
		options.target.host = strcmp(options.target.host, "::1") == 0 ? "::1" : "other";
	free(words);
	return outcome;
}

static void
test_a_target(void **state)
{
	(void)state;
	assert_int_equal(read_line("tool -u -p 7 -6 ::1"), OPTIONS_READ);
	assert_string_equal(options.target.host, "::1");
	assert_int_equal(options.target.port, 7);
	assert_true(options.target.udp && options.target.ipv6 && !options.target.ipv4);
	assert_int_equal(read_line("tool -4 ::1"), OPTIONS_READ);
	assert_true(options.target.ipv4 && !options.target.ipv6);
	assert_int_equal(read_line("tool ::1"), OPTIONS_READ);
	assert_int_equal(options.target.port, 50007);
}

static void
test_what_is_no_target(void **state)
{
	static const struct {
		const char *line, *problem;
	} wrong[] = {
	        {"tool", "HOST is missing"},
	        {"tool a b", "b: one HOST at a time"},
	        {"tool -4 -6 a", "--ipv6: not together with --ipv4"},
	        {"tool --port=0 a", "--port=0: must be a whole number from 1 to 65535"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(read_line(wrong[i].line), OPTIONS_WRONG);
		assert_string_equal(problem, wrong[i].problem);
	}
}

static void
test_exit_statuses(void **state)
{
	(void)state;
	assert_int_equal(tool_options_explain("tool", OPTIONS_SHOWN, ""), 0);
	assert_int_equal(tool_options_explain("tool", OPTIONS_WRONG, "wrong"), 2);
	assert_int_equal(tool_options_explain("tool", OPTIONS_FAILED, "failed"), 2);
}

static void
test_families(void **state)
{
	struct address found[TOOL_MAX_ADDRESSES];
	size_t n;

	(void)state;
	assert_null(tool_target_resolve(
	        &(struct tool_target){"::1", 9, false, true, false}, found, &n));
	assert_int_equal(n, 1);
	assert_int_equal(address_port(&found[0]), 9);
	assert_null(tool_target_resolve(
	        &(struct tool_target){"::1", 9, false, false, false}, found, &n));
	assert_non_null(tool_target_resolve(
	        &(struct tool_target){"::1", 9, true, false, false}, found, &n));
}

static void
test_sizes(void **state)
{
	static const struct {
		const char *to;
		bool udp;
		uint64_t size;
		bool fits;
	} samples[] = {
	        {"127.0.0.1:7", true, 65507, true},
	        {"127.0.0.1:7", true, 65508, false},
	        {"[::ffff:127.0.0.1]:7", true, 65508, false},
	        {"[::1]:7", true, 65508, true},
	        {"127.0.0.1:7", false, 65508, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct tool_target target = {.host = "h", .udp = samples[i].udp};
		struct address to;
		bool has_port;

		assert_int_equal(address_parse(samples[i].to, &to, &has_port), 0);
		assert_int_equal(
		        tool_target_fit(&target, samples[i].size, &to) == NULL, samples[i].fits);
	}
}

static void
test_results_say_what_was_measured(void **state)
{
	(void)state;
	for (int udp = 0; udp < 2; udp++) {
		const struct tool_target target = {.host = "h", .udp = udp};
		struct result result = {0};
		struct address to;
		bool has_port;

		assert_int_equal(address_parse("127.0.0.1:7", &to, &has_port), 0);
		result_describe(&result, "tool", &target, &to);
		assert_string_equal(result.protocol, udp ? "udp" : "tcp");
		assert_string_equal(result.address, "127.0.0.1:7");
		assert_string_equal(result.host, "h");
		assert_int_equal(result.processes, 1);
		result_release(&result);
	}
}

static void
test_reasons(void **state)
{
	(void)state;
	assert_string_equal(reason_of(-EPIPE), "closed by the peer");
	assert_string_equal(reason_of(-ECANCELED), "stopped");
	assert_string_equal(reason_of(-EBADMSG), "more came back than was sent");
	assert_string_equal(reason_of(-EADDRINUSE), "no free source port");
	assert_string_equal(reason_of(-EADDRNOTAVAIL), "the source address is none of this host");
	assert_string_equal(reason_of(-ECONNREFUSED), "Connection refused");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_target),
	        cmocka_unit_test(test_what_is_no_target),
	        cmocka_unit_test(test_exit_statuses),
	        cmocka_unit_test(test_families),
	        cmocka_unit_test(test_sizes),
	        cmocka_unit_test(test_results_say_what_was_measured),
	        cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
