#include "echod/bench/measurement.h"

#include "echod/common/clock.h"
#include "echod/tools/cpu.h"
#include "echod/tools/timestamp.h"

#include <string.h>

static uint64_t
server_cpu_ns(const struct measurement *measurement)
{
	uint64_t ns = 0;

	if (measurement->options->stats_pid > 0)
		cpu_of_ns((pid_t)measurement->options->stats_pid, &ns);
	return ns;
}

void
measurement_init(struct measurement *measurement, const struct bench_options *o,
        const struct address *to, struct traffic *traffic)
{
	struct result *result = &measurement->result;

	measurement->options = o;
	measurement->traffic = traffic;
	result_describe(result, "echod-bench", &o->target, to);
	result_set_text(&result->label, o->label);
	result->connections = o->connections;
	result->size = o->size;
	result->depth = o->rate > 0 ? 0 : o->depth;
	result->rate = o->rate;
	result->per_connection = o->messages_per_connection;
	result->connect_rate = o->connect_rate;
	result->total = o->total;
	result->wanted_ns = o->duration_ms * NS_PER_MS;
	result->warmup_ns = o->warmup_ms * NS_PER_MS;
	result->timeout_ns = o->timeout_ms * NS_PER_MS;
}

void
measurement_begin(struct measurement *measurement)
{
	struct traffic *traffic = measurement->traffic;
	const struct counts *warmup = &traffic->counts;

	measurement->result.warmup_faults = warmup->lost + warmup->corrupted + warmup->duplicated;
	traffic->counts = (struct counts){.sent = traffic->pending};
	traffic->tcp = (struct tcp_sums){0};
	memset(&traffic->echo_ns, 0, sizeof(traffic->echo_ns));
	memset(&measurement->mark, 0, sizeof(measurement->mark));
	measurement->result.start_ns = timestamp_now_ns();
	measurement->begin_ns = clock_now_ns();
	measurement->begin_cpu_ns = cpu_own_ns();
	measurement->begin_server_ns = server_cpu_ns(measurement);
}

void
measurement_add_interval(struct measurement *measurement)
{
	measurement_update(measurement);
	result_end_interval(
	        &measurement->result, &measurement->mark, clock_now_ns() - measurement->begin_ns);
}

void
measurement_end(struct measurement *measurement, const char *ended_by)
{
	struct result *result = &measurement->result;
	uint64_t server_ns = server_cpu_ns(measurement);

	measurement_update(measurement); /* until here it goes on */
	result_set_text(&result->ended_by, ended_by);
	/* a process that ended, or another one by its number, cannot be subtracted from */
	if (measurement->begin_server_ns > 0 && server_ns > measurement->begin_server_ns)
		result->server_cpu_ns = server_ns - measurement->begin_server_ns;
}

void
measurement_update(struct measurement *measurement)
{
	const struct traffic *traffic = measurement->traffic;
	struct result *result = &measurement->result;

	result->broken = traffic->n_broken;
	if (measurement->begin_ns == 0)
		return;
	result->sent = traffic->counts.sent;
	result->echoed = traffic->counts.echoed;
	result->lost = traffic->counts.lost;
	result->late = traffic->counts.late;
	result->corrupted = traffic->counts.corrupted;
	result->duplicated = traffic->counts.duplicated;
	result->echo_ns = traffic->echo_ns;
	if (!result->ended_by) { /* as if it ended now */
		result->duration_ns = clock_now_ns() - measurement->begin_ns;
		result->echoed_in_time = traffic->counts.echoed;
		result->closed_in_time = traffic->close_ns.total;
		result->tool_cpu_ns = cpu_own_ns() - measurement->begin_cpu_ns;
		result->tool_load = (double)result->tool_cpu_ns / (double)result->duration_ns;
	}
}

void
measurement_finish(struct measurement *measurement)
{
	measurement_update(measurement);
	measurement->result.tcp = measurement->traffic->tcp;
	if (measurement->begin_ns > 0 && result_has_more(&measurement->result, &measurement->mark))
		measurement_add_interval(measurement);
}
