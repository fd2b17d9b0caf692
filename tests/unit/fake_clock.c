#include "fake_clock.h"

uint64_t fake_clock_ns = 1000 * NS_PER_S;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	now->tv_sec = (time_t)(fake_clock_ns / NS_PER_S);
	now->tv_nsec = (long)(fake_clock_ns % NS_PER_S);
	return 0;
}
