/* The tables of a page (HTML) about results: between report_html.c and report_tables.c. */
#pragma once

#include "echod/tools/result.h"

#include <stddef.h>
#include <stdio.h>

/* The value that this part (0 to 1) of all does not exceed, in us. */
static inline double
report_part_us(const struct histogram *histogram, double part)
{
	return (double)histogram_quantile(histogram, part) / 1000;
}

/* What came out, and what it is of the first run's. */
void report_figures(const struct result *const *runs, size_t n, FILE *file);

/* The same of connections, where runs open and close them all the time. */
void report_connections(const struct result *const *runs, size_t n, FILE *file);

/* What was run. */
void report_settings(const struct result *const *runs, size_t n, FILE *file);
