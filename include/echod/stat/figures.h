/*
 * What echod-stat shows of a daemon: how much there is now, and how much came per second since the
 * answer before.
 */
#pragma once

#include "echod/stat/reader.h"

#include <stdbool.h>

enum {
	FIGURES = 7,
};

struct figure_kind {
	const char *title;       /* of its column */
	const char *name;        /* in JSON */
	bool is_level;           /* how much there is now, not a rate */
	const char *families[2]; /* what is summed up for it; the second may be NULL */
};
extern const struct figure_kind figure_kinds[FIGURES];

/* What a daemon has answered last; zeroed: nothing yet. */
struct figures_past {
	uint64_t time_ns;
	uint64_t totals[FIGURES];
};

/*
 * Computes the figures of an answer that was read at now_ns, and keeps it as the last one. A figure
 * that is not known is NAN: all of a daemon that has not answered, and the rates of its first
 * answer. A total that is smaller than before is that of a daemon that was restarted.
 */
void figures_update(struct figures_past *past, const struct reader_source *source, uint64_t now_ns,
        double figures[FIGURES]);

/* Adds what is known. */
void figures_add(double sum[FIGURES], const double part[FIGURES]);
