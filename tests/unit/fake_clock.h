/*
 * Time that only the test moves: clock_gettime(2) ends here, libev's too.
 */
#pragma once

#include "echod/common/clock.h"

/* Every clock's time. Begins at some seconds, so that nothing mistakes 0 for the past. */
extern uint64_t fake_clock_ns;
