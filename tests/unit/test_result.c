#include "test.h"

#include "echod/tools/result.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum {
	N_PARTS = 10,
	N_SECONDS = 30,
	N_ROUNDS = 20,
};

#define S UINT64_C(1000000000)

static struct result parts[N_PARTS], whole;
static uint64_t seed = 1;

static uint64_t
random_below(uint64_t bound)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % bound;
}

static void
describe(struct result *result, const char *hostname, const char *label)
{
	result_set_text(&result->tool, "echod-bench");
	result_set_text(&result->version, "0.1.0");
	result_set_text(&result->host, "peer");
	result_set_text(&result->address, "192.0.2.1:50007");
	result_set_text(&result->protocol, "tcp");
	result_set_text(&result->hostname, hostname);
	result_set_text(&result->label, label);
	result->size = 64;
	result->depth = 1;
	result->wanted_ns = N_SECONDS * S;
	result->timeout_ns = 2 * S;
	result->per_connection = 3;
}

/* Records the same exchanges in the whole and in one of ten parts each. */
static int
setup(void **state)
{
	static struct histogram second[N_PARTS], all;
	struct result_interval interval, sum;

	(void)state;
	describe(&whole, "a, b, c", "x, y");
	for (size_t p = 0; p < N_PARTS; p++) {
		describe(&parts[p],
		        p % 3 == 0   ? "c"
		        : p % 3 == 1 ? "a"
		                     : "b",
		        p % 4 == 0   ? NULL
		        : p % 2 == 0 ? "x"
		                     : "y");
		parts[p].start_ns = 1795541885 * S + (p == 7 ? 0 : random_below(S / 3));
		parts[p].duration_ns = N_SECONDS * S - random_below(S / 3);
		if (p == 3)
			parts[p].duration_ns = N_SECONDS * S + S / 2;
		parts[p].connections = parts[p].opened = p + 1;
		parts[p].processes = 1;
		parts[p].connect_rate = 10;
		parts[p].closed_in_time = p;
		for (uint64_t i = 0; i < p; i++) {
			uint64_t ns = 1000 + random_below(1000000);

			histogram_record(&parts[p].close_ns, ns, 1);
			histogram_record(&whole.close_ns, ns, 1);
		}
		whole.connect_rate += 10;
		whole.closed_in_time += p;
		parts[p].tool_load = (double)p / 16;
		parts[p].tool_cpu_ns = p * S / 7;
		parts[p].server_cpu_ns = p == 5 ? 3 * S : 0;
		whole.connections += p + 1;
		whole.opened += p + 1;
		whole.processes++;
		whole.tool_cpu_ns += p * S / 7;
	}
	whole.server_cpu_ns = 3 * S;
	whole.tool_load = 9. / 16;
	whole.start_ns = parts[7].start_ns;
	whole.duration_ns = parts[3].start_ns + parts[3].duration_ns - whole.start_ns;
	for (uint64_t s = 0; s < N_SECONDS; s++) {
		memset(second, 0, sizeof(second));
		memset(&all, 0, sizeof(all));
		sum = (struct result_interval){.time_s = 1795541885 + s};
		for (size_t i = 0; i < 100; i++) {
			size_t p = random_below(N_PARTS);
			uint64_t ns = 1000 + random_below(1000) * random_below(1000000);

			/* one part lacks some seconds */
			p = p == 2 && s % 5 == 0 ? 1 : p;
			histogram_record(&second[p], ns, 1);
			histogram_record(&all, ns, 1);
			histogram_record(&parts[p].echo_ns, ns, 1);
			histogram_record(&whole.echo_ns, ns, 1);
			parts[p].sent++;
			parts[p].echoed++;
			parts[p].echoed_in_time++;
		}
		for (size_t p = 0; p < N_PARTS; p++) {
			interval = (struct result_interval){.time_s = 1795541885 + s,
			        .sent = second[p].total,
			        .echoed = second[p].total,
			        .lost = p};
			if (p == 2 && s % 5 == 0)
				continue;
			sum.sent += interval.sent;
			sum.echoed += interval.echoed;
			sum.lost += interval.lost;
			assert_int_equal(result_add_interval(&parts[p], &interval, &second[p]), 0);
		}
		assert_int_equal(result_add_interval(&whole, &sum, &all), 0);
	}
	whole.sent = whole.echoed = whole.echoed_in_time = 100 * N_SECONDS;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t p = 0; p < N_PARTS; p++)
		result_release(&parts[p]);
	result_release(&whole);
	return 0;
}

/* The JSON of a result, which is the caller's to free. */
static char *
write_json(const struct result *result)
{
	struct json_object *json = result_to_json(result, 0);
	char *text = strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));

	json_object_put(json);
	return text;
}

static void
assert_same(const struct result *a, const struct result *b)
{
	char *x = write_json(a), *y = write_json(b);

	assert_string_equal(x, y);
	free(x);
	free(y);
}

static void
merge(struct result *sum, const struct result *part)
{
	char problem[128];

	assert_int_equal(result_merge(sum, part, problem, sizeof(problem)), 0);
}

/* Merges some of the parts, in an order and in groups that are left to chance. */
static void
merge_some(struct result *sum, size_t *order, size_t n)
{
	size_t cut = n > 1 ? 1 + random_below(n - 1) : 0;
	struct result *half;

	if (n == 1) {
		merge(sum, &parts[order[0]]);
		return;
	}
	half = calloc(1, sizeof(*half));
	assert_non_null(half);
	merge_some(sum, order, cut);
	merge_some(half, order + cut, n - cut);
	merge(sum, half);
	result_release(half);
	free(half);
}

static void
test_ten_parts_give_the_whole(void **state)
{
	size_t order[N_PARTS];

	(void)state;
	for (size_t i = 0; i < N_PARTS; i++)
		order[i] = i;
	for (size_t round = 0; round < N_ROUNDS; round++) {
		static struct result sum;

		for (size_t i = N_PARTS - 1; i > 0; i--) {
			size_t j = random_below(i + 1), other = order[i];

			order[i] = order[j];
			order[j] = other;
		}
		merge_some(&sum, order, N_PARTS);
		assert_same(&sum, &whole);
		result_release(&sum);
	}
}

static void
test_what_is_written_is_read(void **state)
{
	static struct result read, full;
	struct json_object *json;
	char problem[128];

	(void)state;
	memset(&full, 0, sizeof(full));
	merge(&full, &whole);
	result_set_text(&full.error, "Connection refused");
	full.late = 7;
	json = result_to_json(&full, 0);
	assert_true(json_object_object_get_ex(json, "connections_per_second", NULL));
	assert_int_equal(result_from_json(json, &read, problem, sizeof(problem)), 0);
	json_object_put(json);
	assert_same(&read, &full);
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
test_other_runs_are_not_merged(void **state)
{
	char problem[128], *before = write_json(&parts[0]), *after;
	static struct result other;

	(void)state;
	merge(&other, &parts[1]);
	other.depth++;
	assert_int_equal(result_merge(&parts[0], &other, problem, sizeof(problem)), -EINVAL);
	assert_string_equal(problem, "options.depth is not the same");
	other.depth--;
	result_set_text(&other.address, "192.0.2.2:50007");
	assert_int_equal(result_merge(&parts[0], &other, problem, sizeof(problem)), -EINVAL);
	assert_string_equal(problem, "target.address is not the same");
	result_set_text(&other.address, NULL);
	assert_int_equal(result_merge(&parts[0], &other, problem, sizeof(problem)), -EINVAL);
	after = write_json(&parts[0]);
	assert_string_equal(before, after);
	free(before);
	free(after);
	result_release(&other);
}

static void
test_a_part_that_measured_nothing(void **state)
{
	static struct result sum, none;

	(void)state;
	describe(&none, "d", NULL);
	merge(&sum, &none);
	merge(&sum, &parts[0]);
	assert_int_equal(sum.start_ns, parts[0].start_ns);
	assert_int_equal(sum.duration_ns, parts[0].duration_ns);
	merge(&sum, &none);
	assert_int_equal(sum.duration_ns, parts[0].duration_ns);
	assert_string_equal(sum.hostname, "c, d");
	result_release(&sum);
	result_release(&none);
}

static void
test_verdicts(void **state)
{
	static const size_t faults[] = {offsetof(struct result, sent), /* lost */
	        offsetof(struct result, corrupted), offsetof(struct result, duplicated),
	        offsetof(struct result, failed), offsetof(struct result, broken),
	        offsetof(struct result, warmup_faults)};
	struct result good = {.sent = 5, .echoed = 5, .echoed_in_time = 4, .duration_ns = 2 * S};
	struct result r;

	(void)state;
	assert_true(result_is_clean(&good));
	assert_true(result_rate(&good) == 2);
	assert_false(result_is_limited(&good));
	good.tool_load = .91;
	assert_true(result_is_limited(&good));
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		r = good;
		++*(uint64_t *)((char *)&r + faults[i]);
		assert_false(result_is_clean(&r));
	}
	r = (struct result){0}; /* nothing is not clean either, and has no rate */
	assert_false(result_is_clean(&r));
	assert_true(result_rate(&r) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_ten_parts_give_the_whole),
	        cmocka_unit_test(test_what_is_written_is_read),
	        cmocka_unit_test(test_exponents_are_read),
	        cmocka_unit_test(test_what_is_no_result),
	        cmocka_unit_test(test_intervals_out_of_order),
	        cmocka_unit_test(test_other_runs_are_not_merged),
	        cmocka_unit_test(test_a_part_that_measured_nothing),
	        cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
