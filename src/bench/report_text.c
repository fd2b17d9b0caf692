#include "echod/bench/report.h"

#include "echod/common/reflection.h"
#include "echod/tools/reason.h"

#include <netinet/in.h>

#define NS_PER_US 1000.

static void
print_row(const char *name, const struct histogram *histogram, FILE *file)
{
	static const double parts[] = {0.5, 0.9, 0.99, 0.999};

	if (histogram->total == 0)
		return;
	fprintf(file, "  %-10s %10.1f", name, (double)histogram->min / NS_PER_US);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		fprintf(file, " %10.1f",
		        (double)histogram_quantile(histogram, parts[i]) / NS_PER_US);
	fprintf(file, " %10.1f\n", (double)histogram->max / NS_PER_US);
}

static void
print_head(const struct load *load, FILE *file)
{
	const struct bench_options *o = load->options;
	char peer[ADDRESS_TEXT_SIZE];

	fprintf(file, "%s over %s: %zu %s, %llu bytes a message, ",
	        address_format(&load->to, peer, sizeof(peer)), o->target.udp ? "UDP" : "TCP",
	        load->n_lanes, o->target.udp ? "sockets" : "connections",
	        (unsigned long long)o->size);
	if (o->rate > 0)
		fprintf(file, "%llu messages a second due (open loop)\n\n",
		        (unsigned long long)o->rate);
	else
		fprintf(file, "%llu in flight on each (closed loop)\n\n",
		        (unsigned long long)o->depth);
}

static void
print_rates(const struct load *load, const struct summary *s, FILE *file)
{
	fprintf(file, "  echoed     %llu messages in %.2f s: %.0f a second, %.2f MB/s each way\n",
	        (unsigned long long)s->echoed, s->seconds, s->messages_s, s->bytes_s / 1e6);
	fprintf(file, "  CPU        echod-bench %.0f %% of a core, %.2f us a message\n",
	        100 * s->own_load, s->own_us);
	if (load->options->stats_pid > 0)
		fprintf(file, "             process %llu %.0f %% of a core, %.2f us a message\n",
		        (unsigned long long)load->options->stats_pid, 100 * s->peer_load,
		        s->peer_us);
}

static void
print_faults(const struct load *load, FILE *file)
{
	const struct counts *c = &load->traffic.counts;

	fprintf(file, "\n  of %llu sent: %llu lost, %llu corrupted, %llu duplicated",
	        (unsigned long long)c->sent, (unsigned long long)c->lost,
	        (unsigned long long)c->corrupted, (unsigned long long)c->duplicated);
	if (c->late > 0)
		fprintf(file, " (%llu of the lost came late)", (unsigned long long)c->late);
	fputc('\n', file);
	if (load->opener.failed > 0)
		fprintf(file, "  %llu connections failed, the first: %s\n",
		        (unsigned long long)load->opener.failed, reason_of(load->opener.error));
	if (load->traffic.n_broken > 0)
		fprintf(file, "  %zu connections broke off\n", load->traffic.n_broken);
	if (load->traffic.trouble)
		fprintf(file, "  %llu errors on the way, the first: %s\n",
		        (unsigned long long)load->traffic.n_troubles,
		        reason_of(load->traffic.trouble));
}

static void
print_notes(const struct load *load, const struct summary *s, FILE *file)
{
	const struct counts *c = &load->traffic.counts;
	double tokens = (double)c->sent * (double)reflection_price(load->options->size);
	struct in6_addr to;

	if (s->limited)
		fputs("  note: limited by echod-bench itself, which had less than a tenth of its "
		      "core to spare\n",
		        file);
	if (load->options->target.udp && c->lost > 0 && tokens / s->seconds > REFLECTION_RATE &&
	        address_as_ipv6(&load->to, &to) && !address_is_loopback(&to))
		fprintf(file,
		        "  note: echod answers a source at most %d datagrams (or %d bytes of each) "
		        "a second unless its --udp-rate says otherwise\n",
		        REFLECTION_RATE, REFLECTION_UNIT);
}

void
report_text(const struct load *load, const struct summary *summary, FILE *file)
{
	const struct histogram *echo_ns = &load->traffic.echo_ns;

	print_head(load, file);
	print_rates(load, summary, file);
	fprintf(file, "\n  %-10s %10s %10s %10s %10s %10s %10s\n", "us", "min", "p50", "p90", "p99",
	        "p99.9", "max");
	print_row("connect", &load->opener.connect_ns, file);
	print_row("echo", echo_ns, file);
	print_faults(load, file);
	print_notes(load, summary, file);
	if (echo_ns->total > 0) {
		fputs("\n  echo, from\n", file);
		histogram_draw(echo_ns, NS_PER_US, "us", file);
	}
}
