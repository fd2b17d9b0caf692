/* The time that passes, in nanoseconds from an arbitrary moment (clock_gettime(2)). */
#ifndef ECHOD_MONOTONIC_H
#define ECHOD_MONOTONIC_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

static inline uint64_t
monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif
