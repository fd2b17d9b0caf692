#include "echod/tools/json.h"
#include "parts.h"
#include "test.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static void
test_what_is_written_is_read(void **state)
{
	static struct result read, full;
	struct json_object *json;
	char problem[128];

	(void)state;
	memset(&full, 0, sizeof(full));
	merge_part(&full, &whole);
	result_set_text(&full.error, "Connection refused");
	full.late = 7;
	json = result_to_json(&full, 0);
	assert_true(json_object_object_get_ex(json, "connections_per_second", NULL));
	assert_int_equal(result_from_json(json, &read, problem, sizeof(problem)), 0);
	json_object_put(json);
	assert_same_result(&read, &full);
	assert_int_equal(read.closed_in_time, 45);
	assert_int_equal(read.close_ns.total, 45);
	full.per_connection = 0; /* connections that stay have no rate */
	json = result_to_json(&full, 0);
	assert_false(json_object_object_get_ex(json, "connections_per_second", NULL));
	json_object_put(json);
	result_release(&read);
	/* from an interval on, as workers report */
	json = result_to_json(&full, N_SECONDS - 2);
	assert_int_equal(result_from_json(json, &read, problem, sizeof(problem)), 0);
	json_object_put(json);
	assert_int_equal(read.n_intervals, 2);
	full.n_intervals -= 2; /* given away */
	free(full.intervals[N_SECONDS - 1].hdr);
	free(full.intervals[N_SECONDS - 2].hdr);
	assert_int_equal(result_prepend_intervals(&read, &full), 0);
	assert_int_equal(read.n_intervals, N_SECONDS);
	assert_int_equal(full.n_intervals, 0);
	result_release(&read);
	result_release(&full);
}

/* Numbers as other programs write them. */
static void
test_exponents_are_read(void **state)
{
	static struct result read;
	struct json_object *json = result_to_json(&whole, 0), *echo;
	char problem[128];

	(void)state;
	json_object_object_add(json, "duration_s", json_object_new_double_s(30.5, "3.05e1"));
	json_object_object_add(
	        json, "cpu", json_tokener_parse("{\"tool_s\": 2, \"tool_load\": 1}"));
	assert_true(json_object_object_get_ex(json, "echo", &echo));
	assert_int_equal(result_from_json(json, &read, problem, sizeof(problem)), 0);
	assert_int_equal(read.duration_ns, 30 * S + S / 2);
	assert_int_equal(read.tool_cpu_ns, 2 * S);
	json_object_put(json);
	result_release(&read);
}

static void
test_what_is_no_result(void **state)
{
	static const struct {
		const char *where, *name, *value, *problem;
	} wrong[] = {
	        {NULL, "schema", "2", "schema is not 1, which this program reads"},
	        {NULL, "schema", NULL, "this is no result of echod-bench or echod-client"},
	        {NULL, "tool", "7", "tool is no text"},
	        {NULL, "start_time", "\"noon\"", "start_time is no time as in RFC 3339"},
	        {NULL, "start_time", "7", "start_time is no time as in RFC 3339"},
	        {NULL, "duration_s", "\"7\"", "duration_s is no time in seconds"},
	        {NULL, "duration_s", "-1.5", "duration_s is no time in seconds"},
	        {NULL, "duration_s", "1e30", "duration_s is no time in seconds"},
	        {NULL, "counts", NULL, "counts.sent is missing"},
	        {"counts", "sent", "-1", "counts.sent is no count"},
	        {"counts", "sent", "1.5", "counts.sent is no count"},
	        {"counts", "echoed", NULL, "counts.echoed is missing"},
	        {"cpu", "tool_load", "-1", "cpu.tool_load is no share"},
	        {"cpu", "tool_load", "1e10", "cpu.tool_load is no share"},
	        {"echo", "hdr", NULL, "echo.hdr is missing"},
	        {"echo", "hdr", "7", "echo has no histogram as HdrHistogram writes them"},
	        {"echo", "hdr", "\"HIST\"", "echo has no histogram as HdrHistogram writes them"},
	        {"echo", "hdr", "\"HISTFAAAAAt4nGNgYGAAAAAEAAE=\"",
	                "echo has no histogram as HdrHistogram writes them"},
	        {"echo", "min_s", NULL, "echo.min_s is missing"},
	        {"echo", "min_s", "5000.5", "echo does not agree with its histogram"},
	        {"echo", "max_s", "5000.5", "echo does not agree with its histogram"},
	        {NULL, "intervals", NULL, "intervals is missing"},
	        {NULL, "intervals", "7", "intervals is missing"},
	        {NULL, "intervals", "[{}]", "intervals.time is missing"},
	        {NULL, "intervals", "[{\"time\": 1, \"sent\": 1, \"messages\": 1, \"lost\": 0}]",
	                "intervals.hdr is missing"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		static struct result read;
		struct json_object *json = result_to_json(&whole, 0), *holder = json;
		char problem[128] = "";

		if (wrong[i].where)
			assert_true(json_object_object_get_ex(json, wrong[i].where, &holder));
		json_object_object_del(holder, wrong[i].name);
		if (wrong[i].value)
			json_object_object_add(
			        holder, wrong[i].name, json_tokener_parse(wrong[i].value));
		assert_int_equal(result_from_json(json, &read, problem, sizeof(problem)), -EBADMSG);
		assert_string_equal(problem, wrong[i].problem);
		result_release(&read);
		json_object_put(json);
	}
}

static void
test_intervals_out_of_order(void **state)
{
	static struct result read;
	struct json_object *json = result_to_json(&whole, 0), *intervals;
	char problem[128];

	(void)state;
	assert_true(json_object_object_get_ex(json, "intervals", &intervals));
	json_object_array_add(intervals, json_object_get(json_object_array_get_idx(intervals, 0)));
	assert_int_equal(result_from_json(json, &read, problem, sizeof(problem)), -EBADMSG);
	assert_string_equal(problem, "intervals are not in the order of their times");
	result_release(&read);
	json_object_put(json);
	json = json_tokener_parse("[1]");
	assert_int_equal(result_from_json(json, &read, problem, sizeof(problem)), -EBADMSG);
	json_object_put(json);
}

static void
test_a_line(void **state)
{
	struct json_object *line = json_object_new_object();
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	json_add_text(line, "socket", "/run/echod/stats");
	json_add_count(line, "size_bytes", 64);
	json_print_line(line, file);
	fclose(file);
	assert_string_equal(text, "{\"socket\":\"/run/echod/stats\",\"size_bytes\":64}\n");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_what_is_written_is_read),
	        cmocka_unit_test(test_exponents_are_read),
	        cmocka_unit_test(test_what_is_no_result),
	        cmocka_unit_test(test_intervals_out_of_order),
	        cmocka_unit_test(test_a_line),
	};

	return cmocka_run_group_tests(tests, parts_setup, parts_teardown);
}
