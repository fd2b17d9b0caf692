/* The lines of echod-stat, on stdout: as columns and as JSON. */
#pragma once

#include "echod/stat/figures.h"

#define REPORT_SUM "sum" /* the name of the line for all daemons together */

/* The titles of the columns; names of daemons take name_width characters. */
void report_text_titles(int name_width);

/* A line of columns: source NULL is the sum. */
void report_text(const struct reader_source *source, int name_width, const double figures[FIGURES]);

/* An object on a line; time_ns since 1970 is when the daemons were asked. Incomplete for want of
 * memory. */
void report_json(
        const struct reader_source *source, uint64_t time_ns, const double figures[FIGURES]);
