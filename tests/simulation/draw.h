/*
 * A scenario, drawn from a seed: the daemon's options, the system, and what goes wrong.
 */
#pragma once

#include "scenario.h"

/* s: zeroed; random.h is seeded. Returns whether newcomers are to fill the daemon in the end. */
bool draw_scenario(struct scenario *s, uint64_t seed);

/* Options that the next reload brings in force: as if the file were edited. */
void draw_options(struct scenario *s);
