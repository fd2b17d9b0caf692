#include "echod/bench/report.h"

#include "echod/common/address.h"
#include "echod/common/clock.h"
#include "echod/common/reflection.h"

#include <string.h>

#define NS_PER_US 1000.

static void
print_row(const char *name, const struct histogram *histogram, FILE *file)
{
	static const double parts[] = {0.5, 0.9, 0.99, 0.999};

	if (histogram->total == 0)
		return;
	fprintf(file, "  %-8s %9.1f", name, (double)histogram->min / NS_PER_US);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		fprintf(file, " %9.1f",
		        (double)histogram_quantile(histogram, parts[i]) / NS_PER_US);
	fprintf(file, " %9.1f\n", (double)histogram->max / NS_PER_US);
}

static void
print_head(const struct result *r, FILE *file)
{
	bool udp = strcmp(r->protocol, "udp") == 0, short_lived = r->per_connection > 0;

	if (r->label)
		fprintf(file, "%s\n", r->label);
	fprintf(file, "%s over %s: %llu %s%s, %llu bytes per message\n", r->address,
	        udp ? "UDP" : "TCP", (unsigned long long)(short_lived ? r->connections : r->opened),
	        udp ? "sockets" : "connections", short_lived ? " at a time" : "",
	        (unsigned long long)r->size);
	if (r->rate > 0)
		fprintf(file, "open loop: %llu messages per second due",
		        (unsigned long long)r->rate);
	else if (r->connect_rate > 0)
		fprintf(file, "open loop: %llu connections per second due",
		        (unsigned long long)r->connect_rate);
	else
		fprintf(file, "closed loop: %llu in flight on each", (unsigned long long)r->depth);
	if (short_lived)
		fprintf(file, ", closed after %llu message%s",
		        (unsigned long long)r->per_connection, r->per_connection > 1 ? "s" : "");
	if (r->processes > 1)
		fprintf(file, "\nfrom %llu processes on %s", (unsigned long long)r->processes,
		        r->hostname);
	fputs("\n\n", file);
}

static void
print_cpu(const char *name, double load, uint64_t cpu_ns, const struct result *r, FILE *file)
{
	fprintf(file, "%s %.0f %% of a core", name, 100 * load);
	if (r->echoed_in_time > 0)
		fprintf(file, ", %.2f us per message",
		        (double)cpu_ns / NS_PER_US / (double)r->echoed_in_time);
	fputc('\n', file);
}

static void
print_rates(const struct result *r, FILE *file)
{
	if (r->duration_ns == 0) {
		fputs("  nothing was measured\n", file);
		return;
	}
	fprintf(file, "  echoed   %llu messages in %.2f s: %.0f per second, %.2f MB/s each way\n",
	        (unsigned long long)r->echoed_in_time, clock_seconds(r->duration_ns),
	        result_rate(r), result_rate(r) * (double)r->size / 1e6);
	if (r->per_connection > 0)
		fprintf(file, "  closed   %llu of %llu connections: %.0f per second\n",
		        (unsigned long long)r->closed_in_time, (unsigned long long)r->opened,
		        result_connection_rate(r));
	print_cpu(r->processes > 1 ? "  CPU      busiest process" : "  CPU      echod-bench",
	        r->tool_load, r->tool_cpu_ns, r, file);
	if (r->server_cpu_ns > 0)
		print_cpu("           server",
		        clock_seconds(r->server_cpu_ns) / clock_seconds(r->duration_ns),
		        r->server_cpu_ns, r, file);
	if (r->tcp.asked > 0)
		fprintf(file,
		        "  TCP      %llu segments retransmitted, smoothed round trip %.1f us\n",
		        (unsigned long long)r->tcp.retransmits,
		        (double)r->tcp.rtt_ns / NS_PER_US / (double)r->tcp.asked);
}

static void
print_faults(const struct result *r, FILE *file)
{
	fprintf(file, "\n  of %llu sent: %llu lost, %llu corrupted, %llu duplicated",
	        (unsigned long long)r->sent, (unsigned long long)r->lost,
	        (unsigned long long)r->corrupted, (unsigned long long)r->duplicated);
	if (r->late > 0)
		fprintf(file, " (%llu of the lost came late)", (unsigned long long)r->late);
	fputc('\n', file);
	if (r->warmup_faults > 0)
		fprintf(file, "  %llu more lost, corrupted or duplicated in the warm-up\n",
		        (unsigned long long)r->warmup_faults);
	if (r->failed > 0)
		fprintf(file, "  %llu connections failed\n", (unsigned long long)r->failed);
	if (r->broken > 0)
		fprintf(file, "  %llu connections broke off\n", (unsigned long long)r->broken);
	if (r->error)
		fprintf(file, "  error: %s\n", r->error);
}

/* What ended the run before its time. */
static void
print_end(const struct result *r, FILE *file)
{
	static const struct {
		const char *name, *words;
	} ends[] = {
	        {"interrupt", "stopped by a signal"},
	        {"closed", "the peer had closed all connections"},
	        {"timeout", "nothing came back within the timeout"},
	        {"killed", "a process of echod-bench was killed"},
	        {"start", "it could not start"},
	};

	if (!r->ended_by)
		fputs("  unfinished: the run was killed, or goes on\n", file);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (r->ended_by && strstr(r->ended_by, ends[i].name))
			fprintf(file, "  ended early: %s\n", ends[i].words);
}

static bool
is_far(const struct result *r)
{
	struct address to;
	struct in6_addr ipv6;

	return address_parse(r->address, &to, NULL) == 0 && address_as_ipv6(&to, &ipv6) &&
	       !address_is_loopback(&ipv6);
}

static void
print_notes(const struct result *r, FILE *file)
{
	double rate = r->rate > 0          ? (double)r->rate
	              : r->duration_ns > 0 ? (double)r->sent / clock_seconds(r->duration_ns)
	                                   : 0;

	if (result_is_limited(r))
		fputs("  note: limited by echod-bench itself, which had less than a tenth of its\n"
		      "  core to spare\n",
		        file);
	if (strcmp(r->protocol, "udp") == 0 && r->lost > 0 &&
	        rate * (double)reflection_price(r->size) > REFLECTION_RATE && is_far(r))
		fprintf(file,
		        "  note: echod answers a source at most %d datagrams (or %d bytes of each)\n"
		        "  per second unless its --udp-rate says otherwise\n",
		        REFLECTION_RATE, REFLECTION_UNIT);
}

void
report_text(const struct result *r, FILE *file)
{
	print_head(r, file);
	print_rates(r, file);
	if (r->connect_ns.total > 0 || r->echo_ns.total > 0)
		fprintf(file, "\n  %-8s %9s %9s %9s %9s %9s %9s\n", "us", "min", "p50", "p90",
		        "p99", "p99.9", "max");
	print_row("connect", &r->connect_ns, file);
	print_row("echo", &r->echo_ns, file);
	print_row("close", &r->close_ns, file);
	print_faults(r, file);
	print_end(r, file);
	print_notes(r, file);
	if (r->echo_ns.total > 0) {
		fputs("\n  echo, from\n", file);
		histogram_draw(&r->echo_ns, NS_PER_US, "us", file);
	}
}
