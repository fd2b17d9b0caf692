#include "echod/bench/schedule.h"

#include "echod/common/clock.h"

/* Whole seconds and the rest apart, or the product would overflow after hours. */

uint64_t
schedule_due_ns(const struct schedule *schedule, uint64_t message)
{
	uint64_t rate = schedule->rate;

	return schedule->start_ns + message / rate * NS_PER_S + message % rate * NS_PER_S / rate;
}

uint64_t
schedule_count(const struct schedule *schedule, uint64_t now_ns)
{
	uint64_t passed_ns, count;

	if (now_ns < schedule->start_ns)
		return 0;
	passed_ns = now_ns - schedule->start_ns;
	count = passed_ns / NS_PER_S * schedule->rate +
	        passed_ns % NS_PER_S * schedule->rate / NS_PER_S + 1;
	/* schedule_due_ns rounds down: the next one may be due already */
	return schedule_due_ns(schedule, count) <= now_ns ? count + 1 : count;
}
