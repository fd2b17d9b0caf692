#include "echod/bench/report_tables.h"

#include "echod/common/clock.h"
#include "echod/tools/timestamp.h"

#include <stdbool.h>
#include <string.h>

static void
print_text(const char *text, FILE *file)
{
	for (; *text; text++) {
		if (strchr("<>&\"'", *text))
			fprintf(file, "&#%d;", *text);
		else
			fputc(*text, file);
	}
}

static void
print_name(const struct result *run, size_t i, FILE *file)
{
	fprintf(file, "<tr><td><b class=\"run%zu\">&#9632;</b> ", i);
	print_text(run->label ? run->label : run->hostname ? run->hostname : "run", file);
	fputs("</td>", file);
}

void
report_settings(const struct result *const *runs, size_t n, FILE *file)
{
	fputs("<h2>Runs</h2><div class=\"wide\"><table><tr><th>run</th><th>target</th><th>load</th>"
	      "<th>bytes</th><th>began (UTC)</th><th>seconds</th><th>ended by</th><th>hosts</th></tr>\n",
	        file);
	for (size_t i = 0; i < n; i++) {
		const struct result *run = runs[i];
		char moment[TIMESTAMP_TEXT_SIZE];

		print_name(run, i, file);
		fprintf(file, "<td>%s %s</td><td>%llu &#215; ", run->protocol, run->address,
		        (unsigned long long)run->connections);
		if (run->rate > 0)
			fprintf(file, "open loop, %llu/s", (unsigned long long)run->rate);
		else if (run->connect_rate > 0)
			fprintf(file, "open loop, %llu connections/s",
			        (unsigned long long)run->connect_rate);
		else
			fprintf(file, "%llu in flight", (unsigned long long)run->depth);
		if (run->per_connection > 0)
			fprintf(file, ", closed after %llu",
			        (unsigned long long)run->per_connection);
		fprintf(file, "</td><td>%llu</td><td>%.19s</td><td>%.2f</td><td>",
		        (unsigned long long)run->size,
		        run->start_ns > 0 ? timestamp_format(run->start_ns, moment) : "never",
		        clock_seconds(run->duration_ns));
		print_text(run->ended_by ? run->ended_by : "unfinished", file);
		fputs("</td><td>", file);
		print_text(run->hostname ? run->hostname : "", file);
		fputs("</td></tr>\n", file);
	}
	fputs("</table></div>\n", file);
}

/* A number, and for all runs but the first what it is of the first one's. */
static void
print_compared(double value, double first, bool is_first, FILE *file)
{
	fprintf(file, "<td>%.*f", value < 1000 ? 1 : 0, value);
	if (!is_first && first > 0)
		fprintf(file, " <span class=\"soft\">&#215;%.2f</span>", value / first);
	fputs("</td>", file);
}

void
report_figures(const struct result *const *runs, size_t n, FILE *file)
{
	static const double parts[] = {.5, .9, .99, .999, 1};

	fputs("<h2>Figures</h2><div class=\"wide\"><table><tr><th>run</th><th>messages/s</th>"
	      "<th>p50 &#181;s</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th>"
	      "<th>sent</th><th>lost</th><th>corrupted</th><th>duplicated</th>"
	      "<th>failed</th><th>CPU of the tool</th></tr>\n",
	        file);
	for (size_t i = 0; i < n; i++) {
		const struct result *run = runs[i];

		print_name(run, i, file);
		print_compared(result_rate(run), result_rate(runs[0]), i == 0, file);
		for (size_t j = 0; j < sizeof(parts) / sizeof(parts[0]); j++)
			print_compared(report_part_us(&run->echo_ns, parts[j]),
			        report_part_us(&runs[0]->echo_ns, parts[j]), i == 0, file);
		fprintf(file,
		        "<td>%llu</td><td>%llu</td><td>%llu</td><td>%llu</td><td>%llu</td>"
		        "<td>%.0f %%%s</td></tr>\n",
		        (unsigned long long)run->sent, (unsigned long long)run->lost,
		        (unsigned long long)run->corrupted, (unsigned long long)run->duplicated,
		        (unsigned long long)run->failed + run->broken, 100 * run->tool_load,
		        result_is_limited(run) ? " (the limit)" : "");
	}
	fputs("</table></div>\n", file);
}

void
report_connections(const struct result *const *runs, size_t n, FILE *file)
{
	static const double parts[] = {.5, .99, 1};
	bool short_lived = false;

	for (size_t i = 0; i < n; i++)
		short_lived |= runs[i]->per_connection > 0;
	if (!short_lived)
		return;
	fputs("<h2>Connections</h2><div class=\"wide\"><table><tr><th>run</th>"
	      "<th>connections/s</th><th>connect p50 &#181;s</th><th>p99</th><th>max</th>"
	      "<th>close p50 &#181;s</th><th>p99</th><th>max</th><th>opened</th>"
	      "<th>failed</th><th>broken</th></tr>\n",
	        file);
	for (size_t i = 0; i < n; i++) {
		const struct result *run = runs[i];
		const struct histogram *times[] = {&run->connect_ns, &run->close_ns};
		const struct histogram *first[] = {&runs[0]->connect_ns, &runs[0]->close_ns};

		print_name(run, i, file);
		print_compared(
		        result_connection_rate(run), result_connection_rate(runs[0]), i == 0, file);
		for (size_t j = 0; j < 2 * sizeof(parts) / sizeof(parts[0]); j++)
			print_compared(report_part_us(times[j / 3], parts[j % 3]),
			        report_part_us(first[j / 3], parts[j % 3]), i == 0, file);
		fprintf(file, "<td>%llu</td><td>%llu</td><td>%llu</td></tr>\n",
		        (unsigned long long)run->opened, (unsigned long long)run->failed,
		        (unsigned long long)run->broken);
	}
	fputs("</table></div>\n", file);
}
