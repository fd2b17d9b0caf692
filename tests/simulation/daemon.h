/*
 * The daemon under test: what its main() does, from the options to the exit.
 */
#pragma once

#include <stdint.h>

/* Runs it in the scenario of this seed, and checks that it leaves nothing behind. */
void daemon_run(uint64_t seed);
