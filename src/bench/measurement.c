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
	measurement->counts = (struct counts){0};
	memset(&measurement->echo_ns, 0, sizeof(measurement->echo_ns));
	measurement->result.start_ns = timestamp_now_ns();
	measurement->begin_ns = clock_now_ns();
	measurement->begin_cpu_ns = cpu_own_ns();
	measurement->begin_server_ns = server_cpu_ns(measurement);
}

void
measurement_add_interval(struct measurement *measurement)
{
	static struct histogram since;
	struct result *result = &measurement->result;
	const struct counts *now = &measurement->traffic->counts, *then = &measurement->counts;
	uint64_t passed_ns = clock_now_ns() - measurement->begin_ns;
	uint64_t second = (passed_ns + NS_PER_S / 2) / NS_PER_S, next = 0;
	struct result_interval interval = {.sent = now->sent - then->sent,
	        .echoed = now->echoed - then->echoed,
	        .lost = now->lost - then->lost};

	interval.time_s = (result->start_ns + NS_PER_S / 2) / NS_PER_S;
	if (result->n_intervals > 0)
		next = result->intervals[result->n_intervals - 1].time_s + 1 - interval.time_s;
	/* the process may have been stopped for some seconds */
	interval.time_s += second > next + 1 ? second - 1 : next;
	histogram_since(&measurement->traffic->echo_ns, &measurement->echo_ns, &since);
	result_add_interval(result, &interval, &since);
	measurement->counts = *now;
	measurement->echo_ns = measurement->traffic->echo_ns;
}

void
measurement_end(struct measurement *measurement, const char *ended_by)
{
	struct result *result = &measurement->result;
	uint64_t server_ns = server_cpu_ns(measurement);

	result_set_text(&result->ended_by, ended_by);
	if (measurement->begin_ns == 0)
		return;
	measurement_update(measurement);
	result->duration_ns = clock_now_ns() - measurement->begin_ns;
	result->tool_cpu_ns = cpu_own_ns() - measurement->begin_cpu_ns;
	result->echoed_in_time = measurement->traffic->counts.echoed;
	result->closed_in_time = measurement->traffic->close_ns.total;
	if (result->duration_ns > 0)
		result->tool_load = (double)result->tool_cpu_ns / (double)result->duration_ns;
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
	if (!result->ended_by) { /* still going on: as if it ended now */
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
	const struct counts *now = &measurement->traffic->counts, *then = &measurement->counts;

	measurement_update(measurement);
	measurement->result.tcp = measurement->traffic->tcp;
	if (measurement->begin_ns > 0 &&
	        (now->sent > then->sent || now->echoed > then->echoed || now->lost > then->lost))
		measurement_add_interval(measurement);
}
