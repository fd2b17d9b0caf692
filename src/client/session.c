#include "echod/client/session.h"

#include "echod/common/clock.h"
#include "echod/tools/cpu.h"
#include "echod/tools/reason.h"
#include "echod/tools/timestamp.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define STAGGER_S 0.001 /* between the starts of two flows: a burst would lose by itself */

static enum session_outcome
fail(const char *what, const char *why)
{
	fprintf(stderr, "echod-client: %s: %s\n", what, why);
	return SESSION_ERROR;
}

/* It had more to do. */
static bool
ended_early(const struct flow *flow)
{
	return flow->error != 0 && flow->error != -ECANCELED &&
	       (!flow->opened || flow->exchanges.begun < flow->limit);
}

static void
session_on_open(void *owner, const struct flow *flow)
{
	struct session *session = owner;

	if (session->report->on_open)
		session->report->on_open(session, flow);
}

static void
session_on_exchange(void *owner, const struct exchange *exchange)
{
	struct session *session = owner;

	if (exchange->result == EXCHANGE_ECHOED)
		histogram_record(&session->result.echo_ns, exchange->rtt_ns, 1);
	session->report->on_exchange(session, exchange);
}

static void
session_on_end(void *owner, const struct flow *flow)
{
	struct session *session = owner;
	char peer[ADDRESS_TEXT_SIZE];

	/* of a sweep, the summary names them all; it is enough to say once what the first met */
	if ((ended_early(flow) || !flow->opened) && (!session->options->sweep || flow->index == 0))
		fprintf(stderr, "echod-client: %s %s: %s\n",
		        flow->opened                   ? "exchange with"
		        : session->options->target.udp ? "send to"
		                                       : "connect to",
		        address_format(&session->plan.dial.to, peer, sizeof(peer)),
		        reason_of(flow->error));
	if (++session->n_ended == session->options->flows)
		ev_break(session->plan.loop, EVBREAK_ALL);
}

static void
session_on_signal(struct ev_loop *loop, ev_signal *signal, int revents)
{
	struct session *session = signal->data;
	bool again = session->stopping;

	(void)loop;
	(void)revents;
	session->stopping = true;
	for (size_t i = 0; i < session->options->flows; i++)
		again ? flow_abort(&session->flows[i]) : flow_stop(&session->flows[i]);
}

static void
watch_signal(struct session *session, ev_signal *watcher, int number)
{
	ev_signal_init(watcher, session_on_signal, number);
	watcher->data = session;
	ev_signal_start(session->plan.loop, watcher);
	ev_unref(session->plan.loop);
}

static void
update_counts(struct session *session)
{
	struct tally t = session_tally(session);
	struct result *r = &session->result;

	r->sent = t.sent;
	r->echoed = r->echoed_in_time = t.echoed;
	r->lost = t.lost;
	r->late = t.late;
	r->corrupted = t.corrupted;
	r->duplicated = t.duplicated;
	r->reordered = t.reordered;
	r->jitter_ns = (uint64_t)t.jitter_ns;
	r->ipdv_pairs = t.ipdv_pairs;
	r->ipdv_sum_ns = t.ipdv_sum_ns;
	r->duration_ns = clock_now_ns() - session->begin_ns;
}

static void
session_on_second(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct session *session = timer->data;

	(void)loop;
	(void)revents;
	update_counts(session);
	result_end_interval(&session->result, &session->mark, session->result.duration_ns);
}

static void
watch_seconds(struct session *session)
{
	ev_timer_init(&session->second, session_on_second, 1, 1);
	session->second.data = session;
	ev_timer_start(session->plan.loop, &session->second);
	ev_unref(session->plan.loop);
}

static void
tell_skipped_ports(const struct client_options *o)
{
	uint64_t skipped =
	        client_options_source_port(o, o->flows - 1) + 1 - o->flows - o->source_port;

	if (o->source_port > 0 && skipped > 0)
		fprintf(stderr,
		        "echod-client: --source-port=%u: left out %u ports that echo services do "
		        "not answer\n",
		        (unsigned)o->source_port, (unsigned)skipped);
}

/* Returns whether a flow got in, or the user has stopped the run. */
static bool
attempt(struct session *session)
{
	const struct client_options *o = session->options;
	const char *problem;
	char peer[ADDRESS_TEXT_SIZE];
	size_t n = o->flows;
	bool met = false;

	problem = tool_target_fit(&o->target, o->size, &session->addresses[session->attempt]);
	session->plan.dial.to = session->addresses[session->attempt];
	if (problem) {
		fail(address_format(&session->plan.dial.to, peer, sizeof(peer)), problem);
		return false;
	}
	session->plan.give_way = session->attempt + 1 < session->n_addresses;
	session->n_ended = 0;
	for (size_t i = 0; i < n; i++) {
		flow_release(&session->flows[i]);
		if (flow_start(&session->flows[i], &session->plan, i,
		            client_options_source_port(o, i), STAGGER_S * (double)i) < 0)
			return false;
	}
	ev_run(session->plan.loop, 0);
	for (size_t i = 0; i < n; i++)
		met |= session->flows[i].opened;
	return met || session->stopping;
}

static void
plan(struct session *session)
{
	const struct client_options *o = session->options;
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) < 0)
		seed = clock_now_ns();
	message_init(&session->message, o->message, o->size, seed);
	session->plan = (struct flow_plan){
	        .loop = EV_DEFAULT,
	        .message = &session->message,
	        .dial = {.datagram = o->target.udp, .dscp = (uint8_t)o->dscp},
	        .count = o->count,
	        .interval_ns = o->interval_ms * NS_PER_MS,
	        .timeout_ns = o->timeout_ms * NS_PER_MS,
	        .scratch = session->scratch,
	        .owner = session,
	        .on_open = session_on_open,
	        .on_exchange = session_on_exchange,
	        .on_end = session_on_end,
	};
}

static void
add_flow(struct result *result, const struct flow *flow, bool datagram)
{
	result->opened += flow->opened;
	result->failed += !flow->opened;
	result->broken += flow->opened && ended_early(flow);
	if (flow->opened && !datagram)
		histogram_record(&result->connect_ns, flow->connect_ns, 1);
	dial_add_tcp_sums(&result->tcp, &flow->tcp);
	if (flow->error && !result->error)
		result_set_text(&result->error, reason_of(flow->error));
}

static void
complete_result(struct session *session)
{
	const struct client_options *o = session->options;
	struct result *r = &session->result;

	result_describe(r, "echod-client", &o->target, &session->plan.dial.to);
	result_set_text(&r->ended_by, session->stopping ? "interrupt" : "total");
	r->connections = o->flows;
	r->size = o->size;
	r->total = o->count == UINT64_MAX ? 0 : o->count * o->flows;
	r->interval_ns = o->interval_ms * NS_PER_MS;
	r->timeout_ns = o->timeout_ms * NS_PER_MS;
	for (size_t i = 0; i < o->flows; i++)
		add_flow(r, &session->flows[i], o->target.udp);
	update_counts(session);
	if (o->json && result_has_more(r, &session->mark))
		result_end_interval(r, &session->mark, r->duration_ns);
	r->tool_cpu_ns = cpu_own_ns();
	r->tool_load = (double)r->tool_cpu_ns / (double)(r->duration_ns + 1);
}

static enum session_outcome
outcome(const struct session *session)
{
	struct tally tally = session_tally(session);
	bool opened = false, early = false;

	for (size_t i = 0; i < session->options->flows; i++) {
		opened |= session->flows[i].opened;
		early |= ended_early(&session->flows[i]);
	}
	if (!opened)
		return SESSION_ERROR;
	return early || !tally_is_clean(&tally) ? SESSION_UNCLEAN : SESSION_CLEAN;
}

enum session_outcome
session_run(
        struct session *session, const struct client_options *options, const struct report *report)
{
	const char *problem;
	enum session_outcome result;

	memset(session, 0, sizeof(*session));
	session->options = options;
	session->report = report;
	problem = tool_target_resolve(&options->target, session->addresses, &session->n_addresses);
	if (problem)
		return fail(options->target.host, problem);
	plan(session);
	if (!session->plan.loop)
		return fail("event loop", "cannot be made");
	session->flows = calloc(options->flows, sizeof(*session->flows));
	if (!session->flows)
		return fail("flows", strerror(ENOMEM));
	for (size_t i = 0; i < options->flows; i++)
		session->flows[i] = (struct flow){.plan = &session->plan, .peer_fd = -1};
	watch_signal(session, &session->interrupt, SIGINT);
	watch_signal(session, &session->terminate, SIGTERM);

	tell_skipped_ports(options);
	session->result.start_ns = timestamp_now_ns();
	session->begin_ns = clock_now_ns();
	if (options->json)
		watch_seconds(session);
	while (!attempt(session) && session->attempt + 1 < session->n_addresses)
		session->attempt++;
	result = outcome(session);
	complete_result(session);
	report->on_end(session);
	result_release(&session->result);

	for (size_t i = 0; i < options->flows; i++)
		flow_release(&session->flows[i]);
	free(session->flows);
	return result;
}

struct tally
session_tally(const struct session *session)
{
	struct tally sum = {0};

	for (size_t i = 0; i < session->options->flows; i++)
		tally_add(&sum, &session->flows[i].exchanges.tally);
	return sum;
}
