/* How results are shown. */
#pragma once

#include "echod/bench/workers.h"
#include "echod/tools/result.h"

#include <stdio.h>

/* The summary for a terminal of 80 columns. */
void report_text(const struct result *result, FILE *file);

/* A line that replaces itself on the terminal (stderr); live_end() removes it. */
void live_show(const struct workers *workers);
void live_end(void);
