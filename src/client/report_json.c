#include "echod/client/report.h"

#include "echod/tools/json.h"
#include "echod/tools/reason.h"
#include "echod/tools/timestamp.h"

#include <json-c/json.h>
#include <stdio.h>

static void
add_address(struct json_object *object, const char *name, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];

	json_add_text(object, name, address_format(address, text, sizeof(text)));
}

static struct json_object *
begin(const char *type)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "type", type);
	return object;
}

static void
on_exchange(const struct session *session, const struct exchange *e)
{
	static const char *const results[] = {
	        [EXCHANGE_ECHOED] = "echoed",
	        [EXCHANGE_LOST] = "lost",
	        [EXCHANGE_LATE] = "late",
	        [EXCHANGE_CORRUPTED] = "corrupted",
	        [EXCHANGE_DUPLICATED] = "duplicated",
	};
	struct json_object *line;
	char moment[TIMESTAMP_TEXT_SIZE];

	if (session->options->quiet)
		return;
	line = begin("exchange");
	json_add_count(line, "flow", e->flow + 1);
	if (e->number != EXCHANGE_NO_NUMBER)
		json_add_count(line, "seq", e->number + 1);
	json_add_text(line, "result", results[e->result]);
	if (session->options->timestamps)
		json_add_text(line, "time", timestamp_format(timestamp_now_ns(), moment));
	if (e->rtt_ns > 0)
		json_add_seconds(line, "rtt_s", e->rtt_ns);
	if (e->reordered)
		json_object_object_add(line, "reordered", json_object_new_boolean(true));
	if (e->error)
		json_add_text(line, "reason", reason_of(e->error));
	if (e->result == EXCHANGE_CORRUPTED) {
		json_add_count(line, "received_bytes", e->length);
		json_add_count(line, "right_bytes", e->same);
	}
	json_print_line(line, stdout);
}

static void
add_tally(struct json_object *object, const struct tally *t)
{
	json_add_count(object, "sent", t->sent);
	json_add_count(object, "echoed", t->echoed);
	json_add_count(object, "lost", t->lost);
	json_add_count(object, "late", t->late);
	json_add_count(object, "corrupted", t->corrupted);
	json_add_count(object, "duplicated", t->duplicated);
	json_add_count(object, "reordered", t->reordered);
	if (t->echoed > 0) {
		json_add_seconds(object, "min_s", t->min_ns);
		json_add_seconds(object, "mean_s", (uint64_t)t->mean_ns);
		json_add_seconds(object, "max_s", t->max_ns);
		json_add_seconds(object, "mdev_s", (uint64_t)tally_deviation_ns(t));
		json_add_seconds(object, "jitter_s", (uint64_t)t->jitter_ns);
	}
}

static void
print_flow(const struct session *session, const struct flow *flow)
{
	struct json_object *line = begin("flow");

	json_add_count(line, "flow", flow->index + 1);
	if (flow->opened)
		add_address(line, "source", &flow->source);
	if (flow->opened && !session->options->target.udp)
		json_add_seconds(line, "connect_s", flow->connect_ns);
	if (flow->error)
		json_add_text(line, "reason", reason_of(flow->error));
	add_tally(line, &flow->exchanges.tally);
	json_print_line(line, stdout);
}

static void
on_end(const struct session *session)
{
	struct json_object *line = result_to_json(&session->result, 0);

	for (size_t i = 0; i < session->options->flows; i++)
		print_flow(session, &session->flows[i]);
	json_add_text(line, "type", "summary");
	json_print_line(line, stdout);
}

const struct report json_report = {NULL, on_exchange, on_end};
