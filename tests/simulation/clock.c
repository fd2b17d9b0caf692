#include "clock.h"

#define TICK          (100 * MS)
#define START_WALL_NS (UINT64_C(1700000000) * S)

static struct {
	uint64_t now, iteration, iteration_began, awake;
	int64_t wall_offset;
} state;

void
clock_begin(void)
{
	state.now = state.iteration_began = CLOCK_START;
	state.iteration = state.awake = 0;
	state.wall_offset = (int64_t)START_WALL_NS;
}

uint64_t
clock_now(void)
{
	return state.now;
}

void
clock_advance(uint64_t ns)
{
	state.now += ns;
}

void
clock_set_wall(int64_t by_s)
{
	state.wall_offset += by_s * (int64_t)S;
}

uint64_t
clock_wall(void)
{
	return state.now + (uint64_t)state.wall_offset;
}

void
clock_next_iteration(void)
{
	uint64_t passed = state.now - state.iteration_began;

	state.awake += passed < TICK ? passed : TICK;
	state.iteration_began = state.now;
	state.iteration++;
}

uint64_t
clock_iteration(void)
{
	return state.iteration;
}

uint64_t
clock_awake(void)
{
	uint64_t passed = state.now - state.iteration_began;

	return state.awake + (passed < TICK ? passed : TICK);
}
