/* Line charts as inline SVG, for a page that brings the colours (classes run0, run1 and so on). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct axis {
	double low, high; /* low < high; above 0 where logarithmic */
	bool logarithmic;
};

struct chart {
	FILE *file;
	struct axis x, y;
	bool drawing; /* within a line */
};

/* Writes a heading and an empty chart with marks on its y axis, values there in unit. */
void chart_begin(const struct chart *chart, const char *title, const char *unit);

void chart_mark_x(const struct chart *chart, double x, const char *text);

/* Some marks with round numbers, and a unit at the last. */
void chart_mark_seconds(const struct chart *chart);

/* A line of run number run, with one of the styles "solid", "dashed" and "dotted". */
void chart_begin_line(struct chart *chart, size_t run, const char *style);
void chart_point(struct chart *chart, double x, double y);
void chart_end_line(struct chart *chart);

void chart_end(const struct chart *chart);
