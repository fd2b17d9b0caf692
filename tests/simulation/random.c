#include "random.h"

static uint64_t state;

void
random_seed(uint64_t seed)
{
	state = seed;
}

uint64_t
random_next(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t
random_below(uint64_t bound)
{
	return random_next() % bound;
}

uint64_t
random_scale(uint64_t low, uint64_t high)
{
	unsigned doublings = 0;
	uint64_t from;

	while (high >> doublings > low)
		doublings++;
	from = low << random_below(doublings + 1);
	if (from > high)
		from = high;
	return from + random_below((from < high - from ? from : high - from) + 1);
}

bool
random_one_in(uint64_t n)
{
	return n > 0 && random_below(n) == 0;
}
