/*
 * The one clock that durations are measured with: CLOCK_MONOTONIC (clock_gettime(2)), which the
 * administrator cannot set.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

static inline uint64_t
clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline double
clock_seconds(uint64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}
