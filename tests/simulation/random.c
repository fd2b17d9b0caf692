#include "random.h"

uint64_t random_state;

uint64_t
random_scale(uint64_t low, uint64_t high)
{
	int doublings = __builtin_clzll(low) - __builtin_clzll(high | low);
	uint64_t from;

	doublings += high >> doublings > low;
	from = low << random_below((uint64_t)doublings + 1);
	if (from > high)
		from = high;
	return from + random_below((from < high - from ? from : high - from) + 1);
}
