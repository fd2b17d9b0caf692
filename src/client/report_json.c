#include "echod/client/report.h"

#include "echod/common/clock.h"
#include "echod/tools/reason.h"

#include <json-c/json.h>
#include <stdio.h>

/* json-c gives NULL for want of memory, and takes it for null: such a line is incomplete, not
 * wrong. */

static struct json_object *
number(uint64_t value)
{
	return json_object_new_uint64(value);
}

static struct json_object *
ms(double ns)
{
	char text[32];
	double value = ns / (double)NS_PER_MS;

	snprintf(text, sizeof(text), "%.6f", value);
	return json_object_new_double_s(value, text);
}

static void
add_address(struct json_object *object, const char *name, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];

	json_object_object_add(
	        object, name, json_object_new_string(address_format(address, text, sizeof(text))));
}

static struct json_object *
begin(const char *type)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "type", json_object_new_string(type));
	return object;
}

static void
print(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
}

static void
on_open(const struct session *session, const struct flow *flow)
{
	(void)session;
	(void)flow;
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

	if (session->options->quiet)
		return;
	line = begin("exchange");
	json_object_object_add(line, "flow", number(e->flow + 1));
	json_object_object_add(
	        line, "seq", e->number == EXCHANGE_NO_NUMBER ? NULL : number(e->number + 1));
	json_object_object_add(line, "result", json_object_new_string(results[e->result]));
	if (e->rtt_ns > 0)
		json_object_object_add(line, "rtt_ms", ms((double)e->rtt_ns));
	if (e->reordered)
		json_object_object_add(line, "reordered", json_object_new_boolean(true));
	if (e->error)
		json_object_object_add(line, "reason", json_object_new_string(reason_of(e->error)));
	if (e->result == EXCHANGE_CORRUPTED) {
		json_object_object_add(line, "received_bytes", number(e->length));
		json_object_object_add(line, "right_bytes", number(e->same));
	}
	print(line);
}

static void
add_tally(struct json_object *object, const struct tally *t)
{
	json_object_object_add(object, "sent", number(t->sent));
	json_object_object_add(object, "echoed", number(t->echoed));
	json_object_object_add(object, "lost", number(t->lost));
	json_object_object_add(object, "late", number(t->late));
	json_object_object_add(object, "corrupted", number(t->corrupted));
	json_object_object_add(object, "duplicated", number(t->duplicated));
	json_object_object_add(object, "reordered", number(t->reordered));
	if (t->echoed > 0) {
		struct json_object *rtt = json_object_new_object();

		json_object_object_add(rtt, "min", ms((double)t->min_ns));
		json_object_object_add(rtt, "avg", ms(t->mean_ns));
		json_object_object_add(rtt, "max", ms((double)t->max_ns));
		json_object_object_add(rtt, "mdev", ms(tally_deviation_ns(t)));
		json_object_object_add(object, "rtt_ms", rtt);
	}
}

static void
print_flow(const struct session *session, const struct flow *flow)
{
	struct json_object *line = begin("flow");

	json_object_object_add(line, "flow", number(flow->index + 1));
	if (flow->opened)
		add_address(line, "source", &flow->source);
	if (flow->opened && !session->options->target.udp)
		json_object_object_add(line, "connect_ms", ms((double)flow->connect_ns));
	if (flow->error)
		json_object_object_add(
		        line, "reason", json_object_new_string(reason_of(flow->error)));
	add_tally(line, &flow->exchanges.tally);
	print(line);
}

static void
on_end(const struct session *session)
{
	const struct client_options *o = session->options;
	struct tally tally = session_tally(session);
	struct json_object *line = begin("summary");

	for (size_t i = 0; i < o->flows; i++)
		print_flow(session, &session->flows[i]);
	json_object_object_add(line, "host", json_object_new_string(o->target.host));
	add_address(line, "address", &session->plan.dial.to);
	json_object_object_add(
	        line, "protocol", json_object_new_string(o->target.udp ? "udp" : "tcp"));
	json_object_object_add(line, "size_bytes", number(o->size));
	add_tally(line, &tally);
	print(line);
}

const struct report json_report = {on_open, on_exchange, on_end};
