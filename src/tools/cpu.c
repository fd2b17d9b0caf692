#include "echod/tools/cpu.h"

#include "echod/common/clock.h"

static uint64_t
read_clock(clockid_t clock)
{
	struct timespec used = {0};

	clock_gettime(clock, &used);
	return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

uint64_t
cpu_own_ns(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

int
cpu_of_ns(pid_t pid, uint64_t *ns)
{
	clockid_t clock;
	/* all threads, to the nanosecond, where /proc/PID/stat counts in hundredths of a second */
	int error = clock_getcpuclockid(pid, &clock);

	*ns = error ? 0 : read_clock(clock);
	return -error;
}
