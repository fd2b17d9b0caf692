#include "stops.h"

#include "clock.h"
#include "oracle.h"
#include "trace.h"

#include <string.h>

enum {
	ITERATIONS_TOO_MANY = 3,
};

static struct {
	bool asked, at_once;
	uint64_t delay_ns, drain_ns; /* how long */
	uint64_t asked_ns;           /* when the signal came */
	uint64_t handled_ns; /* at the end of the iteration in which it was handled, 0 before */
	bool delay_over;     /* at the end of an iteration */
	uint64_t drains_ns;  /* at the end of the iteration in which the drain began, 0 before */
	uint32_t iterations_after_drain; /* after the drain */
} state;

void
stops_begin(void)
{
	memset(&state, 0, sizeof(state));
}

void
stops_on_signal(const struct options *options)
{
	state.at_once = state.asked;
	if (state.asked)
		return;
	state.asked = true;
	state.asked_ns = clock_now();
	state.delay_ns = options->drain_delay * MS;
	state.drain_ns = options->drain_timeout * MS;
}

bool
stops_asked(void)
{
	return state.asked;
}

bool
stops_known(void)
{
	return state.handled_ns > 0;
}

bool
stops_at_once(void)
{
	return state.at_once;
}

bool
stops_may_drain(void)
{
	return state.at_once || (state.asked && clock_now() >= state.asked_ns + state.delay_ns);
}

bool
stops_may_cut(void)
{
	return state.at_once ||
	       (state.asked && clock_now() >= state.asked_ns + state.delay_ns + state.drain_ns);
}

void
stops_on_listener_close(void)
{
	expect(!state.asked || stops_may_drain(),
	        "the daemon stops listening before --drain-delay is over");
}

/* The timer of the delay fires in the iteration after. */
static bool
has_drain_begun(void)
{
	bool delay_over = state.delay_over || state.delay_ns == 0;

	if (state.handled_ns == 0)
		state.handled_ns = clock_now();
	state.delay_over = clock_now() > state.handled_ns + state.delay_ns + MS;
	if (delay_over && state.drains_ns == 0)
		state.drains_ns = clock_now();
	return delay_over;
}

/* The drain has an end: its timer fires in the iteration after. */
void
stops_on_iteration(uint32_t open)
{
	bool over = state.at_once;

	if (!state.asked)
		return;
	if (has_drain_begun())
		over |= open == 0 || clock_now() > state.drains_ns + state.drain_ns + MS;
	state.iterations_after_drain = over ? state.iterations_after_drain + 1 : 0;
	expect(state.iterations_after_drain <= ITERATIONS_TOO_MANY,
	        "the drain is over and the daemon goes on");
}

void
stops_on_end(void)
{
	expect(!state.asked || stops_may_drain() || oracle_has_been_idle(),
	        "the daemon ends before --drain-delay is over");
}
