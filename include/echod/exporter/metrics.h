/*
 * What the exporter says: the answers of all daemons as one text in Prometheus' format.
 */
#pragma once

#include "echod/stat/reader.h"

/*
 * Merges the answers: each family once, its samples with the label instance_name, and echod_up for
 * each source. Lines that are not of the format are left out.
 * Returns the text, to be freed, and its length; or NULL without memory.
 */
char *metrics_merge(const struct reader *reader, size_t *length);
