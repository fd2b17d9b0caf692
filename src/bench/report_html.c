#include "echod/bench/report_html.h"

#include "echod/bench/chart.h"
#include "echod/bench/report_tables.h"
#include "echod/common/clock.h"
#include "echod/tools/hdr.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
	MAX_POINTS = 500, /* of a line over time; what is more is put together */
	STEPS = 20,       /* points of the percentile curve for each factor of ten */
};

static const char head[] =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>echod-bench</title>\n"
        "<style>\n"
        ":root{color-scheme:light dark;--back:#fff;--text:#1b1b1b;--soft:#666;--grid:#e2e2e2;"
        "--run0:#0b62c4;--run1:#c4420b;--run2:#1a7f37;--run3:#8250df;--run4:#9a6700;"
        "--run5:#bf3989}\n"
        "@media(prefers-color-scheme:dark){:root{--back:#14171a;--text:#e4e4e4;--soft:#9a9a9a;"
        "--grid:#31363b;--run0:#5aa9ff;--run1:#ff8f5a;--run2:#56d364;--run3:#c297ff;"
        "--run4:#e3b341;--run5:#ff8ac6}}\n"
        "body{margin:0 auto;max-width:75rem;padding:1rem;background:var(--back);"
        "color:var(--text);font:1rem/1.4 system-ui,sans-serif}\n"
        "h1{font-size:1.3rem}h2{font-size:1.05rem}p,.soft{color:var(--soft)}\n"
        ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}\n"
        "th,td{padding:.2rem .5rem;text-align:right;border-bottom:1px solid var(--grid);"
        "white-space:nowrap}th:first-child,td:first-child{text-align:left;padding-left:0}\n"
        ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(27rem,100%),1fr));"
        "gap:1rem}figure{margin:0}figcaption{font-weight:600}svg{width:100%;height:auto}\n"
        "svg text{fill:var(--soft);font-size:12px}.x{text-anchor:middle}"
        ".y,.unit{text-anchor:end}.grid{stroke:var(--grid)}\n"
        ".line{fill:none;stroke-width:1.8;stroke-linejoin:round}"
        ".dashed{stroke-dasharray:6 4}.dotted{stroke-dasharray:1.5 4;stroke-linecap:round}\n"
        ".run0{stroke:var(--run0);color:var(--run0)}.run1{stroke:var(--run1);color:var(--run1)}"
        ".run2{stroke:var(--run2);color:var(--run2)}.run3{stroke:var(--run3);color:var(--run3)}"
        ".run4{stroke:var(--run4);color:var(--run4)}.run5{stroke:var(--run5);color:var(--run5)}\n"
        "</style></head><body>\n";

/* The lowest and the highest latency of all runs, as powers of ten, in us. */
static struct axis
latency_axis(const struct result *const *runs, size_t n)
{
	double low = HUGE_VAL, high = 1;

	for (size_t i = 0; i < n; i++) {
		if (runs[i]->echo_ns.total == 0)
			continue;
		low = fmin(low, report_part_us(&runs[i]->echo_ns, .001));
		high = fmax(high, report_part_us(&runs[i]->echo_ns, 1));
	}
	low = pow(10, floor(log10(fmax(fmin(low, high), .1))));
	return (struct axis){low, fmax(pow(10, ceil(log10(high))), low * 10), true};
}

static void
draw_percentiles(const struct result *const *runs, size_t n, FILE *file)
{
	static const char *const marks[] = {
	        "0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %", "99.99999 %"};
	struct chart chart = {.file = file, .x = {1, 10, true}, .y = latency_axis(runs, n)};

	for (size_t i = 0; i < n; i++)
		while (chart.x.high < (double)runs[i]->echo_ns.total && chart.x.high < 1e7)
			chart.x.high *= 10;
	chart_begin(&chart, "Echo latency by percentile", "&#181;s");
	for (size_t i = 0; pow(10, (double)i) <= chart.x.high * 1.01; i++)
		chart_mark_x(&chart, pow(10, (double)i), marks[i]);
	for (size_t i = 0; i < n; i++) {
		double total = (double)runs[i]->echo_ns.total;

		chart_begin_line(&chart, i, "solid");
		for (int step = 0; total > 0; step++) {
			/* 1/(1 - part), as HdrHistogram's plotter has it */
			double x = pow(10, (double)step / STEPS);

			x = fmin(x, fmin(total, chart.x.high));
			chart_point(&chart, x,
			        fmax(report_part_us(&runs[i]->echo_ns, x < total ? 1 - 1 / x : 1),
			                .1));
			if (x >= fmin(total, chart.x.high))
				break;
		}
		chart_end_line(&chart);
	}
	chart_end(&chart);
}

/* Some seconds of a run. */
struct span {
	double from_s, seconds;
	uint64_t echoed, lost;
	struct histogram echo_ns;
};

/* How many intervals a line over time has: all that were whole seconds, and one at least. */
static size_t
count_whole(const struct result *run)
{
	size_t n = run->n_intervals;

	while (n > 1 && (double)(run->intervals[n - 1].time_s - run->intervals[0].time_s + 1) >
	                        clock_seconds(run->duration_ns) + .05)
		n--;
	return n;
}

/* The next point of a line over time, from interval *i on; returns false when there is none. */
static bool
next_span(const struct result *run, size_t *i, struct span *span)
{
	size_t n = count_whole(run);
	size_t end = *i + n / MAX_POINTS + 1;

	if (*i >= n)
		return false;
	memset(span, 0, sizeof(*span));
	span->from_s = (double)(run->intervals[*i].time_s - run->intervals[0].time_s);
	for (; *i < n && *i < end; ++*i) {
		const struct result_interval *interval = &run->intervals[*i];

		span->seconds++;
		span->echoed += interval->echoed;
		span->lost += interval->lost;
		hdr_decode(interval->hdr, interval->hdr_size, &span->echo_ns);
	}
	return true;
}

static double
rate_of(const struct span *span)
{
	return (double)span->echoed / span->seconds;
}

static double
losses_of(const struct span *span)
{
	return (double)span->lost / span->seconds;
}

static double
p50_of(const struct span *span)
{
	return report_part_us(&span->echo_ns, .5);
}

static double
p99_of(const struct span *span)
{
	return report_part_us(&span->echo_ns, .99);
}

static double
max_of(const struct span *span)
{
	return report_part_us(&span->echo_ns, 1);
}

static void
draw_line(struct chart *chart, const struct result *run, size_t number, const char *style,
        double (*value)(const struct span *span))
{
	static struct span span;
	size_t i = 0;

	chart_begin_line(chart, number, style);
	while (next_span(run, &i, &span)) {
		double y = value(&span);

		if (!chart->y.logarithmic || y > 0)
			chart_point(chart, span.from_s + span.seconds, y);
	}
	chart_end_line(chart);
}

static struct axis
time_axis(const struct result *const *runs, size_t n)
{
	double high = 1;

	for (size_t i = 0; i < n; i++)
		high = fmax(high, (double)runs[i]->n_intervals);
	return (struct axis){0, high, false};
}

/* From 0 to a little more than the highest value. */
static struct axis
value_axis(const struct result *const *runs, size_t n, double (*value)(const struct span *span))
{
	static struct span span;
	double high = 1;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; next_span(runs[i], &j, &span);)
			high = fmax(high, value(&span));
	return (struct axis){0, high * 1.05, false};
}

static void
draw_over_time(const struct result *const *runs, size_t n, FILE *file)
{
	struct chart chart = {.file = file, .x = time_axis(runs, n)};
	uint64_t lost = 0;

	for (size_t i = 0; i < n; i++)
		lost += runs[i]->lost;
	chart.y = value_axis(runs, n, rate_of);
	chart_begin(&chart, "Messages echoed per second", "");
	chart_mark_seconds(&chart);
	for (size_t i = 0; i < n; i++)
		draw_line(&chart, runs[i], i, "solid", rate_of);
	chart_end(&chart);

	chart.y = latency_axis(runs, n);
	chart_begin(&chart, "Latency over time: p50 (line), p99 (dashed), max (dotted)", "&#181;s");
	chart_mark_seconds(&chart);
	for (size_t i = 0; i < n; i++) {
		draw_line(&chart, runs[i], i, "solid", p50_of);
		draw_line(&chart, runs[i], i, "dashed", p99_of);
		draw_line(&chart, runs[i], i, "dotted", max_of);
	}
	chart_end(&chart);
	if (lost == 0)
		return;
	chart.y = value_axis(runs, n, losses_of);
	chart_begin(&chart, "Messages lost per second", "");
	chart_mark_seconds(&chart);
	for (size_t i = 0; i < n; i++)
		draw_line(&chart, runs[i], i, "solid", losses_of);
	chart_end(&chart);
}

void
report_html(const struct result *const *runs, size_t n, FILE *file)
{
	fputs(head, file);
	fputs("<h1>Load of an echo service</h1>\n", file);
	report_figures(runs, n, file);
	report_connections(runs, n, file);
	if (n > 1)
		fputs("<p>&#215;: of the first run&#8217;s.</p>\n", file);
	fputs("<div class=\"charts\">\n", file);
	draw_percentiles(runs, n, file);
	draw_over_time(runs, n, file);
	fputs("</div>\n", file);
	report_settings(runs, n, file);
	fprintf(file, "<p>Written by echod-bench %s.</p></body></html>\n", runs[0]->version);
}

int
report_html_write(const struct result *const *runs, size_t n, const char *path)
{
	FILE *file = fopen(path, "we");
	int error = 0;

	if (!file)
		return -errno;
	report_html(runs, n, file);
	error = ferror(file) ? -EIO : 0;
	return fclose(file) != 0 && !error ? -errno : error;
}
