#include "parts.h"

#include "test.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

struct result parts[N_PARTS], whole;

static uint64_t seed = 1;

uint64_t
parts_random(uint64_t bound)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % bound;
}

void
parts_describe(struct result *result, const char *hostname, const char *label)
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

int
parts_setup(void **state)
{
	static struct histogram second[N_PARTS], all;
	struct result_interval interval, sum;

	(void)state;
	parts_describe(&whole, "a, b, c", "x, y");
	for (size_t p = 0; p < N_PARTS; p++) {
		parts_describe(&parts[p],
		        p % 3 == 0   ? "c"
		        : p % 3 == 1 ? "a"
		                     : "b",
		        p % 4 == 0   ? NULL
		        : p % 2 == 0 ? "x"
		                     : "y");
		parts[p].start_ns = 1795541885 * S + (p == 7 ? 0 : parts_random(S / 3));
		parts[p].duration_ns = N_SECONDS * S - parts_random(S / 3);
		if (p == 3)
			parts[p].duration_ns = N_SECONDS * S + S / 2;
		parts[p].connections = parts[p].opened = p + 1;
		parts[p].processes = 1;
		parts[p].connect_rate = 10;
		parts[p].closed_in_time = p;
		for (uint64_t i = 0; i < p; i++) {
			uint64_t ns = 1000 + parts_random(1000000);

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
			size_t p = parts_random(N_PARTS);
			uint64_t ns = 1000 + parts_random(1000) * parts_random(1000000);

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

int
parts_teardown(void **state)
{
	(void)state;
	for (size_t p = 0; p < N_PARTS; p++)
		result_release(&parts[p]);
	result_release(&whole);
	return 0;
}

char *
parts_json(const struct result *result)
{
	struct json_object *json = result_to_json(result, 0);
	char *text = strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));

	json_object_put(json);
	return text;
}

void
assert_same_result(const struct result *a, const struct result *b)
{
	char *x = parts_json(a), *y = parts_json(b);

	assert_string_equal(x, y);
	free(x);
	free(y);
}

void
merge_part(struct result *sum, const struct result *part)
{
	char problem[128];

	assert_int_equal(result_merge(sum, part, problem, sizeof(problem)), 0);
}
