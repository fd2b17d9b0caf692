#include "clock.h"

#define TICK          (100 * MS)
#define START_WALL_NS (UINT64_C(1700000000) * S)

static struct {
	uint64_t now, turn, turn_began, awake;
	int64_t wall_offset;
} state;

void
clock_begin(void)
{
	state.now = state.turn_began = CLOCK_START;
	state.turn = state.awake = 0;
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
clock_next_turn(void)
{
	uint64_t passed = state.now - state.turn_began;

	state.awake += passed < TICK ? passed : TICK;
	state.turn_began = state.now;
	state.turn++;
}

uint64_t
clock_turn(void)
{
	return state.turn;
}

uint64_t
clock_awake(void)
{
	uint64_t passed = state.now - state.turn_began;

	return state.awake + (passed < TICK ? passed : TICK);
}
