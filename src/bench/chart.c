#include "echod/bench/chart.h"

#include <math.h>

enum {
	WIDTH = 520,
	HEIGHT = 280,
	LEFT = 58,
	RIGHT = 34,
	TOP = 24,
	BOTTOM = 26,
	MAX_MARKS = 7,
};

/* Where a value lies on its axis: 0 at the low end, 1 at the high one. */
static double
place(const struct axis *axis, double value)
{
	double part = axis->logarithmic
	                      ? (log(value) - log(axis->low)) / (log(axis->high) - log(axis->low))
	                      : (value - axis->low) / (axis->high - axis->low);

	return part < 0 ? 0 : part > 1 ? 1 : part;
}

static double
place_x(const struct chart *chart, double x)
{
	return LEFT + place(&chart->x, x) * (WIDTH - LEFT - RIGHT);
}

static double
place_y(const struct chart *chart, double y)
{
	return HEIGHT - BOTTOM - place(&chart->y, y) * (HEIGHT - TOP - BOTTOM);
}

/* The step between marks: 1, 2 or 5 times a power of ten. */
static double
choose_step(double span)
{
	double power = pow(10, floor(log10(span / MAX_MARKS))), rest = span / MAX_MARKS / power;

	return power * (rest <= 1 ? 1 : rest <= 2 ? 2 : rest <= 5 ? 5 : 10);
}

static void
mark_y(const struct chart *chart, double y)
{
	double at = place_y(chart, y);

	fprintf(chart->file,
	        "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"y\" x=\"%d\" y=\"%.1f\">%.12g</text>\n",
	        LEFT, at, WIDTH - RIGHT, LEFT - 6, at + 4, y);
}

void
chart_begin(const struct chart *chart, const char *title, const char *unit)
{
	double step;

	fprintf(chart->file,
	        "<figure><figcaption>%s</figcaption>\n"
	        "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n"
	        "<text class=\"unit\" x=\"%d\" y=\"12\">%s</text>\n",
	        title, WIDTH, HEIGHT, title, LEFT - 6, unit);
	/* NOLINTBEGIN(cert-flp30-c,clang-analyzer-security.FloatLoopCounter): a few marks */
	if (chart->y.logarithmic) {
		for (double y = pow(10, ceil(log10(chart->y.low) - 1e-9));
		        y <= chart->y.high * (1 + 1e-9); y *= 10)
			mark_y(chart, y);
		return;
	}
	step = choose_step(chart->y.high - chart->y.low);
	for (double y = 0; y <= chart->y.high * (1 + 1e-9); y += step)
		mark_y(chart, y);
	/* NOLINTEND(cert-flp30-c,clang-analyzer-security.FloatLoopCounter) */
}

void
chart_mark_x(const struct chart *chart, double x, const char *text)
{
	double at = place_x(chart, x);

	fprintf(chart->file,
	        "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text class=\"x\" x=\"%.1f\" y=\"%d\">%s</text>\n",
	        at, TOP, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 16, text);
}

void
chart_mark_seconds(const struct chart *chart)
{
	double step = choose_step(chart->x.high - chart->x.low);
	char text[32];

	step = step < 1 ? 1 : step;
	/* NOLINTNEXTLINE(cert-flp30-c,clang-analyzer-security.FloatLoopCounter): a few marks */
	for (double x = 0; x <= chart->x.high * (1 + 1e-9); x += step) {
		snprintf(text, sizeof(text), "%.12g%s", x, x == 0 ? " s" : "");
		chart_mark_x(chart, x, text);
	}
}

void
chart_begin_line(struct chart *chart, size_t run, const char *style)
{
	fprintf(chart->file, "<path class=\"line run%zu %s\" d=\"", run, style);
	chart->drawing = false;
}

void
chart_point(struct chart *chart, double x, double y)
{
	fprintf(chart->file, "%s%.1f %.1f", chart->drawing ? "L" : "M", place_x(chart, x),
	        place_y(chart, y));
	chart->drawing = true;
}

void
chart_end_line(struct chart *chart)
{
	fputs("\"/>\n", chart->file);
}

void
chart_end(const struct chart *chart)
{
	fputs("</svg></figure>\n", chart->file);
}
