/* <echod/common/clock.h> without the clock, which is the kernel's: the caller brings the time. */
#pragma once

#include <stdint.h>

#define NS_PER_S UINT64_C(1000000000)
