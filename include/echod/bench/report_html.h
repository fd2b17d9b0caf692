/* Results as one page that needs nothing else: no script, no other file. */
#pragma once

#include "echod/tools/result.h"

#include <stddef.h>
#include <stdio.h>

/* As many colours as the page has. */
enum { REPORT_MAX_RUNS = 6 };

/* Shows up to REPORT_MAX_RUNS runs, laid over each other and compared with the first. */
void report_html(const struct result *const *runs, size_t n, FILE *file);

/* The same into a file. Returns 0 or a negative errno. */
int report_html_write(const struct result *const *runs, size_t n, const char *path);
