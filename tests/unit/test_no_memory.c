/* Each allocation of a task fails in its turn: the task says so, and nothing is lost or leaked. */
#include "test.h"

#include "echod/options.h"
#include "echod/tools/hdr.h"
#include "echod/tools/result.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

static size_t asked, failing; /* allocations so far; the one that fails, 0: none */

static bool
fails(void)
{
	if (++asked == failing)
		errno = ENOMEM;
	return asked == failing;
}

#define FAILING(name, parameters, ...)                                                             \
	void *__real_##name parameters;                                                            \
	void *__wrap_##name parameters;                                                            \
	void *__wrap_##name parameters                                                             \
	{                                                                                          \
		return fails() ? NULL : __real_##name(__VA_ARGS__);                                \
	}

FAILING(malloc, (size_t size), size)
FAILING(calloc, (size_t n, size_t size), n, size)
FAILING(realloc, (void *old, size_t size), old, size)
FAILING(reallocarray, (void *old, size_t n, size_t size), old, n, size)
FAILING(strdup, (const char *text), text)

/* Returns how many allocations the task makes; it fails for want of each of them. */
static size_t
fail_each(int (*task)(void))
{
	size_t most;

	asked = failing = 0;
	assert_int_equal(task(), 0);
	most = asked;
	for (size_t n = 1; n <= most; n++) {
		print_message("allocation %zu of %zu\n", n, most);
		asked = 0;
		failing = n;
		assert_int_equal(task(), -ENOMEM);
	}
	failing = 0;
	return most;
}

int __real_ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user);
int __wrap_ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user);

/* Libraries allocate, too. */
int
__wrap_ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user)
{
	return fails() ? -2 : __real_ini_parse_stream(reader, stream, handler, user);
}

int __real_compress(Bytef *to, uLongf *size, const Bytef *from, uLong length);
int __wrap_compress(Bytef *to, uLongf *size, const Bytef *from, uLong length);

int
__wrap_compress(Bytef *to, uLongf *size, const Bytef *from, uLong length)
{
	return fails() ? Z_MEM_ERROR : __real_compress(to, size, from, length);
}

static int
read_options(void)
{
	static char program[] = "echod", config[64], exempt[] = "--udp-rate-exempt=::1",
	            refused[] = "--udp-refuse-source-port=7", listen[] = "--listen=::1";
	char *argv[] = {program, exempt, refused, listen, config, NULL};
	struct options options;
	char problem[256];
	enum option_outcome outcome;
	int file_fd = memfd_create("echod.conf", 0);

	dprintf(file_fd, "dscp = off\nlisten = 127.0.0.1\nudp-allow-source-port = 53\n");
	snprintf(config, sizeof(config), "--config=/proc/self/fd/%d", file_fd);
	outcome = options_read(&options, 5, argv, problem, sizeof(problem));
	options_free(&options);
	close(file_fd);
	assert_true(outcome == OPTIONS_READ || strstr(problem, strerror(ENOMEM)));
	return outcome == OPTIONS_READ ? 0 : outcome == OPTIONS_FAILED ? -ENOMEM : -EINVAL;
}

static void
options_say_so(void **state)
{
	(void)state;
	assert_true(fail_each(read_options) >= 12);
}

static struct result results[2];

/* Two reports of one run: other hosts, other seconds. */
static void
make_results(void)
{
	static struct histogram echo, nothing;
	struct histogram *echo_ns = &echo;

	memset(echo_ns, 0, sizeof(*echo_ns));
	histogram_record(echo_ns, 1000, 1);
	for (size_t i = 0; i < 2; i++) {
		struct result *result = &results[i];

		for (uint64_t second = 0; second < 3; second++)
			assert_int_equal(
			        result_add_interval(result,
			                &(struct result_interval){.time_s = 2 * second + i},
			                second == 0 ? &nothing : echo_ns),
			        0);
		result_set_text(&result->tool, "echod-bench");
		result_set_text(&result->hostname, i == 0 ? "a" : "b, c");
		if (i == 1)
			result_set_text(&result->label, "second");
		histogram_record(&result->echo_ns, 1000, 1);
	}
}

static void
release_results(void)
{
	for (size_t i = 0; i < 2; i++)
		result_release(&results[i]);
}

static int
with_results(int (*task)(void))
{
	size_t next = failing, used = asked;
	int error;

	failing = 0;
	make_results();
	failing = next;
	asked = used;
	error = task();
	release_results();
	return error;
}

static int
merge(void)
{
	char problem[64];

	return result_merge(&results[0], &results[1], problem, sizeof(problem));
}

static int
prepend(void)
{
	return result_prepend_intervals(&results[0], &results[1]);
}

static int
add(void)
{
	return result_add_interval(
	        &results[0], &(struct result_interval){.time_s = 9}, &results[0].echo_ns);
}

static int
read_back(struct json_object *json, const char *expected)
{
	struct result read = {0};
	char problem[128] = "";
	int error = result_from_json(json, &read, problem, sizeof(problem));

	if (error)
		assert_non_null(strstr(problem, expected));
	else
		assert_string_equal(read.hostname, results[0].hostname);
	result_release(&read);
	return error ? -ENOMEM : 0;
}

/* What is incomplete for want of memory is no result. */
static int
write_json(void)
{
	struct json_object *json = result_to_json(&results[0], 0);
	size_t used = asked;
	int error;

	failing = 0;
	error = read_back(json, "hdr is missing");
	asked = used;
	json_object_put(json);
	return error;
}

static int
read_json(void)
{
	struct json_object *json;
	size_t next = failing, used = asked;
	int error;

	failing = 0;
	json = result_to_json(&results[0], 0);
	failing = next;
	asked = used;
	error = read_back(json, strerror(ENOMEM));
	json_object_put(json);
	return error;
}

#define WITH_RESULTS(task)                                                                         \
	static int task##_results(void)                                                            \
	{                                                                                          \
		return with_results(task);                                                         \
	}

WITH_RESULTS(merge)
WITH_RESULTS(prepend)
WITH_RESULTS(add)
WITH_RESULTS(write_json)
WITH_RESULTS(read_json)

static void
results_say_so(void **state)
{
	(void)state;
	assert_int_equal(fail_each(prepend_results), 1);
	assert_int_equal(fail_each(add_results), 2);
	assert_true(fail_each(merge_results) >= 8);
	assert_true(fail_each(write_json_results) >= 8);
	assert_true(fail_each(read_json_results) >= 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(options_say_so),
	        cmocka_unit_test(results_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
