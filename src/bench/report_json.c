#include "echod/bench/report.h"

#include "echod/tools/reason.h"

#include <json-c/json.h>
#include <string.h>

/* json-c gives NULL for want of memory, and takes it for null: such a line is incomplete, not
 * wrong. */

static void
add_count(struct json_object *object, const char *name, uint64_t value)
{
	json_object_object_add(object, name, json_object_new_uint64(value));
}

static void
add_real(struct json_object *object, const char *name, double value)
{
	char text[64];

	snprintf(text, sizeof(text), "%.6f", value);
	json_object_object_add(object, name, json_object_new_double_s(value, text));
}

static void
add_text(struct json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

static struct json_object *
add_object(struct json_object *object, const char *name)
{
	struct json_object *child = json_object_new_object();

	json_object_object_add(object, name, child);
	return child;
}

static void
add_times(struct json_object *object, const char *name, const struct histogram *histogram)
{
	static const struct {
		const char *name;
		double part;
	} quantiles[] = {
	        {"p50", .5}, {"p90", .9}, {"p99", .99}, {"p99.9", .999}, {"p99.99", .9999}};
	struct json_object *times;

	if (histogram->total == 0)
		return;
	times = add_object(object, name);
	add_count(times, "count", histogram->total);
	add_real(times, "min", (double)histogram->min / 1000);
	add_real(times, "mean", histogram_mean(histogram) / 1000);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		add_real(times, quantiles[i].name,
		        (double)histogram_quantile(histogram, quantiles[i].part) / 1000);
	add_real(times, "max", (double)histogram->max / 1000);
}

static void
add_setting(struct json_object *root, const struct load *load)
{
	const struct bench_options *o = load->options;
	char peer[ADDRESS_TEXT_SIZE];

	add_text(root, "host", o->target.host);
	add_text(root, "address", address_format(&load->to, peer, sizeof(peer)));
	add_text(root, "protocol", o->target.udp ? "udp" : "tcp");
	add_count(root, "size_bytes", o->size);
	if (o->rate > 0)
		add_count(root, "rate", o->rate);
	else
		add_count(root, "depth", o->depth);
}

static void
add_connections(struct json_object *root, const struct load *load)
{
	struct json_object *connections = add_object(root, "connections");

	add_count(connections, "wanted", load->options->connections);
	add_count(connections, "opened", load->n_lanes);
	add_count(connections, "failed", load->opener.failed);
	add_count(connections, "broken", load->traffic.n_broken);
	if (load->opener.error)
		add_text(connections, "error", reason_of(load->opener.error));
	else if (load->traffic.trouble)
		add_text(connections, "error", reason_of(load->traffic.trouble));
}

static void
add_messages(struct json_object *root, const struct counts *counts)
{
	struct json_object *messages = add_object(root, "messages");

	add_count(messages, "sent", counts->sent);
	add_count(messages, "echoed", counts->echoed);
	add_count(messages, "lost", counts->lost);
	add_count(messages, "late", counts->late);
	add_count(messages, "corrupted", counts->corrupted);
	add_count(messages, "duplicated", counts->duplicated);
}

static void
add_measured(struct json_object *root, const struct load *load, const struct summary *s)
{
	struct json_object *measured = add_object(root, "measured"), *cpu;

	add_real(measured, "seconds", s->seconds);
	add_count(measured, "echoed", s->echoed);
	add_real(measured, "messages_per_s", s->messages_s);
	add_real(measured, "bytes_per_s", s->bytes_s);
	cpu = add_object(measured, "cpu");
	add_real(cpu, "bench_load", s->own_load);
	add_real(cpu, "bench_us_per_message", s->own_us);
	if (load->options->stats_pid > 0) {
		add_real(cpu, "server_load", s->peer_load);
		add_real(cpu, "server_us_per_message", s->peer_us);
	}
	json_object_object_add(measured, "limited_by_tool", json_object_new_boolean(s->limited));
	add_times(measured, "connect_us", &load->opener.connect_ns);
	add_times(measured, "echo_us", &load->traffic.echo_ns);
	add_real(measured, "relative_error", 1. / (1 << HISTOGRAM_BITS));
}

void
report_json(const struct load *load, const struct summary *summary, FILE *file)
{
	struct json_object *root = json_object_new_object();

	add_setting(root, load);
	add_connections(root, load);
	add_messages(root, &load->traffic.counts);
	add_measured(root, load, summary);
	fprintf(file, "%s\n",
	        json_object_to_json_string_ext(
	                root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
	json_object_put(root);
}
