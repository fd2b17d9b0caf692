#include "echod/client/report.h"

#include "echod/common/clock.h"
#include "echod/common/reflection.h"
#include "echod/tools/reason.h"
#include "echod/tools/timestamp.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static double
ms(double ns)
{
	return ns / (double)NS_PER_MS;
}

static const char *
peer(const struct session *session)
{
	static char text[ADDRESS_TEXT_SIZE];

	return address_format(&session->plan.dial.to, text, sizeof(text));
}

/* As Python shows a string: the lecture's client prints what repr() makes of it. */
static void
print_quoted(const char *text)
{
	char quote = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'';

	putchar(quote);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\n')
			fputs("\\n", stdout);
		else if (c == '\r')
			fputs("\\r", stdout);
		else if (c == '\t')
			fputs("\\t", stdout);
		else if (c == '\\' || c == (unsigned char)quote)
			printf("\\%c", c);
		else if (isprint(c))
			putchar(c);
		else
			printf("\\x%02x", c);
	}
	putchar(quote);
}

static void
on_open(const struct session *session, const struct flow *flow)
{
	const struct client_options *o = session->options;
	bool first = session->n_ended == 0 && flow->exchanges.tally.sent == 0 && flow->index == 0;

	if (!o->series || o->sweep || !first)
		return;
	printf("ECHO %s (%s) over %s, %zu bytes an exchange", o->target.host, peer(session),
	        o->target.udp ? "UDP" : "TCP", session->message.size);
	if (!o->target.udp)
		printf(", connected in %.3f ms", ms((double)flow->connect_ns));
	putchar('\n');
}

/* What was wrong with it. */
static void
print_trouble(FILE *out, const struct session *session, const struct exchange *e)
{
	size_t size = session->message.size;

	fputs(e->result == EXCHANGE_LOST ? "lost: " : "corrupted: ", out);
	if (e->result == EXCHANGE_LOST && e->error)
		fprintf(out, "%s\n", reason_of(e->error));
	else if (e->result == EXCHANGE_LOST)
		fprintf(out, "no echo within %g s\n", (double)session->options->timeout_ms / 1000.);
	else if (e->length != size)
		fprintf(out, "%zu bytes came back, %zu were sent\n", e->length, size);
	else
		fprintf(out, "byte %zu of %zu is not what was sent\n", e->same + 1, size);
}

/* As ping -D. */
static void
print_timestamp(const struct session *session)
{
	uint64_t now_ns = timestamp_now_ns();

	if (session->options->timestamps)
		printf("[%llu.%06llu] ", (unsigned long long)(now_ns / NS_PER_S),
		        (unsigned long long)(now_ns % NS_PER_S / 1000));
}

/* The one exchange, as the lecture's client shows it. */
static void
print_single(const struct session *session, const struct exchange *e)
{
	if (e->result == EXCHANGE_LOST || e->result == EXCHANGE_CORRUPTED) {
		fprintf(stderr, "echod-client: %s: ", peer(session));
		print_trouble(stderr, session, e);
	}
	if (e->result != EXCHANGE_ECHOED || session->options->quiet)
		return;
	print_timestamp(session);
	fputs("Received ", stdout);
	if (session->message.text)
		print_quoted(session->message.text);
	else
		printf("%zu bytes unchanged", session->message.size);
	printf(" in %.3f ms\n", ms((double)e->rtt_ns));
}

static void
print_numbered(const struct session *session, const struct exchange *e)
{
	print_timestamp(session);
	printf("from %s: ", peer(session));
	if (e->number != EXCHANGE_NO_NUMBER)
		printf("seq=%llu ", (unsigned long long)e->number + 1);
	switch (e->result) {
	case EXCHANGE_ECHOED:
		printf("time=%.3f ms%s\n", ms((double)e->rtt_ns),
		        e->reordered ? " (overtaken)" : "");
		break;
	case EXCHANGE_DUPLICATED:
		puts("again (duplicated)");
		break;
	case EXCHANGE_LATE:
		puts("after all (late)");
		break;
	case EXCHANGE_LOST:
	case EXCHANGE_CORRUPTED:
		print_trouble(stdout, session, e);
		break;
	}
}

static void
on_exchange(const struct session *session, const struct exchange *e)
{
	const struct client_options *o = session->options;

	if (!o->series)
		print_single(session, e);
	else if (!o->quiet && !o->sweep)
		print_numbered(session, e);
}

static double
percent(uint64_t part, uint64_t whole)
{
	return whole > 0 ? 100. * (double)part / (double)whole : 0;
}

static void
print_times(const struct session *session, const struct tally *t)
{
	const struct result *r = &session->result;
	const struct histogram *rtt_ns = &r->echo_ns;

	printf("rtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", ms((double)t->min_ns),
	        ms(t->mean_ns), ms((double)t->max_ns), ms(tally_deviation_ns(t)));
	printf("rtt p50/p90/p99/p99.9 = %.3f/%.3f/%.3f/%.3f ms\n",
	        ms((double)histogram_quantile(rtt_ns, .5)),
	        ms((double)histogram_quantile(rtt_ns, .9)),
	        ms((double)histogram_quantile(rtt_ns, .99)),
	        ms((double)histogram_quantile(rtt_ns, .999)));
	if (t->ipdv_pairs > 0)
		printf("jitter = %.3f ms, mean IPDV = %.3f ms\n", ms(t->jitter_ns),
		        ms((double)t->ipdv_sum_ns / (double)t->ipdv_pairs));
	if (r->tcp.asked > 0)
		printf("TCP: %llu segments retransmitted, smoothed rtt = %.3f ms\n",
		        (unsigned long long)r->tcp.retransmits,
		        ms((double)r->tcp.rtt_ns / (double)r->tcp.asked));
	puts("echoes by rtt, from");
	histogram_draw(rtt_ns, (double)NS_PER_MS / 1000, "us", stdout);
}

static bool
flow_is_bad(const struct flow *flow)
{
	return !flow->opened || !tally_is_clean(&flow->exchanges.tally);
}

static void
print_flows(const struct session *session)
{
	printf("%6s  %-24s %8s %8s %9s %9s %9s %9s ms\n", "flow", "source", "sent", "lost",
	        "corrupted", "min", "avg", "max");
	for (size_t i = 0; i < session->options->flows; i++) {
		const struct flow *flow = &session->flows[i];
		const struct tally *t = &flow->exchanges.tally;
		char source[ADDRESS_TEXT_SIZE];

		if (session->options->quiet && !flow_is_bad(flow))
			continue;
		if (!flow->opened) {
			printf("%6zu  %s\n", i + 1, reason_of(flow->error));
			continue;
		}
		printf("%6zu  %-24s %8llu %8llu %9llu", i + 1,
		        address_format(&flow->source, source, sizeof(source)),
		        (unsigned long long)t->sent, (unsigned long long)t->lost,
		        (unsigned long long)t->corrupted);
		if (t->echoed > 0)
			printf(" %9.3f %9.3f %9.3f", ms((double)t->min_ns), ms(t->mean_ns),
			        ms((double)t->max_ns));
		putchar('\n');
	}
}

/* Loss that the peer's own limit may explain is not to be blamed on the network. */
static void
hint_at_rate(const struct session *session, const struct tally *t)
{
	double seconds = clock_seconds(t->last_ns - t->first_ns);
	uint64_t price = reflection_price(session->message.size);
	double rate = (double)((t->sent - 1) * price) / seconds;
	struct in6_addr to;

	/* a source that was silent has a second's worth in hand */
	if (!session->options->target.udp || t->lost == 0 || rate <= REFLECTION_RATE ||
	        t->sent * price <= REFLECTION_RATE)
		return;
	if (address_as_ipv6(&session->plan.dial.to, &to) && !address_is_loopback(&to))
		printf("note: echod answers a source at most %d datagrams (or %d bytes of each) "
		       "per second unless its --udp-rate says otherwise; these were %.0f\n",
		        REFLECTION_RATE, REFLECTION_UNIT, rate);
}

static void
on_end(const struct session *session)
{
	const struct client_options *o = session->options;
	const struct histogram *connect_ns = &session->result.connect_ns;
	struct tally t = session_tally(session);
	size_t bad = 0;

	if (!o->series || t.sent == 0)
		return;
	if (o->sweep)
		print_flows(session);
	for (size_t i = 0; i < o->flows; i++)
		bad += flow_is_bad(&session->flows[i]);
	printf("--- %s (%s) over %s ---\n", o->target.host, peer(session),
	        o->target.udp ? "UDP" : "TCP");
	if (o->sweep)
		printf("%llu flows, %zu of them not clean; ", (unsigned long long)o->flows, bad);
	printf("%llu sent, %llu echoed, %llu lost (%.3g %%), %llu corrupted, %llu duplicated, "
	       "%llu reordered",
	        (unsigned long long)t.sent, (unsigned long long)t.echoed,
	        (unsigned long long)t.lost, percent(t.lost, t.sent),
	        (unsigned long long)t.corrupted, (unsigned long long)t.duplicated,
	        (unsigned long long)t.reordered);
	if (t.late > 0)
		printf(" (%llu of the lost came late)", (unsigned long long)t.late);
	putchar('\n');
	if (!o->target.udp)
		printf("connect min/avg/max = %.3f/%.3f/%.3f ms, ", ms((double)connect_ns->min),
		        ms(histogram_mean(connect_ns)), ms((double)connect_ns->max));
	if (t.echoed > 0)
		print_times(session, &t);
	else if (!o->target.udp)
		puts("no rtt");
	hint_at_rate(session, &t);
}

const struct report text_report = {on_open, on_exchange, on_end};
