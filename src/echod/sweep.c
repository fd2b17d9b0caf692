#include "echod/sweep.h"

#include <stdlib.h>
#include <string.h>

enum {
	TICKS_A_SECOND = 10, /* the unit of connections_now() */
	TICKS_A_ROUND = 10,  /* in which every connection is looked at once */
	TICKS_A_TRIM = 50,   /* in which every ring is looked at once */
	CANDIDATES = 64,
	NEVER = -1,
};

/* A connection as it was when it was found to be idle. */
struct candidate {
	struct connection *connection;
	uint32_t active_at;
};

struct sweep {
	struct sweep_config config;
	struct ev_timer tick;
	uint32_t position;                /* the slot to look at next */
	uint32_t ticks_left;              /* for this round */
	int64_t idle, idle_full, stalled; /* ticks, or NEVER */
	/* who gives way, the one idle longest last */
	struct candidate candidates[CANDIDATES];
	uint32_t n_candidates;
	bool searched; /* in this tick */
};

/* How long nothing moved, in ticks. */
static int64_t
quiet_for(const struct sweep *sweep, const struct connection *c)
{
	return (uint32_t)(connections_now(sweep->config.connections) - c->active_at);
}

/* Two more than the timeout: a tick that has begun is not yet over, and the next one follows at
 * once when it was late (ev(3), repeating timers). */
static bool
exceeds(int64_t ticks, int64_t timeout)
{
	return timeout != NEVER && ticks >= timeout + 2;
}

static bool
is_dispensable(const struct sweep *sweep, const struct connection *c)
{
	return c->open && !c->blocked && exceeds(quiet_for(sweep, c), sweep->idle_full);
}

/* Returns whether the connection is open, and could give way to another. */
static bool
look_at(struct sweep *sweep, struct connection *c)
{
	int64_t quiet = quiet_for(sweep, c);

	if (!c->open)
		return false;
	if (exceeds(quiet, c->blocked ? sweep->stalled : sweep->idle)) {
		connection_close(
		        sweep->config.connections, c, c->blocked ? CLOSE_STALLED : CLOSE_IDLE);
		return false;
	}
	return is_dispensable(sweep, c);
}

/* At least a tenth of the slots; more where there are more than when the round began, which takes
 * no longer for that. */
static uint32_t
slice_size(const struct sweep *sweep, uint32_t slots)
{
	uint32_t slice = slots / TICKS_A_ROUND + 1;
	uint32_t rest = (slots - sweep->position) / sweep->ticks_left + 1;

	return rest > slice ? rest : slice;
}

static void
look_at_slice(struct sweep *sweep)
{
	uint32_t slots = connections_slots(sweep->config.connections);
	bool dispensable = false;

	for (uint32_t left = slice_size(sweep, slots); left > 0; left--) {
		if (sweep->position >= slots) {
			sweep->position = 0;
			sweep->ticks_left = TICKS_A_ROUND;
		}
		dispensable |= look_at(
		        sweep, connections_at(sweep->config.connections, sweep->position++));
	}
	sweep->ticks_left--;
	if (dispensable)
		sweep->config.on_dispensable(sweep->config.owner);
}

static void
sweep_on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct sweep *sweep = timer->data;

	(void)events;
	/* Never by more than one, however late: what moved since the last tick bears that tick's
	 * time, and must not look older than it can be. */
	connections_advance(sweep->config.connections, 1);
	sweep->searched = false;
	look_at_slice(sweep);
	if (!connections_trim(sweep->config.connections, TICKS_A_TRIM) &&
	        connections_open_now(sweep->config.connections) == 0)
		ev_timer_stop(loop, timer);
}

/* Keeps the candidates that are idle longest, in order; false when it is not among them. */
static void
insert(struct sweep *sweep, struct connection *c)
{
	struct candidate *all = sweep->candidates;
	uint32_t at = 0;

	while (at < sweep->n_candidates &&
	        quiet_for(sweep, c) > quiet_for(sweep, all[at].connection))
		at++;
	if (sweep->n_candidates < CANDIDATES) {
		memmove(&all[at + 1], &all[at], (sweep->n_candidates++ - at) * sizeof(*all));
	} else if (at == 0) {
		return;
	} else {
		at--;
		memmove(&all[0], &all[1], at * sizeof(*all));
	}
	all[at] = (struct candidate){c, c->active_at};
}

static void
search(struct sweep *sweep)
{
	struct connections *connections = sweep->config.connections;

	for (uint32_t i = 0; i < connections_slots(connections); i++)
		if (is_dispensable(sweep, connections_at(connections, i)))
			insert(sweep, connections_at(connections, i));
	sweep->searched = true;
}

bool
sweep_make_room(struct sweep *sweep)
{
	if (sweep->n_candidates == 0 && !sweep->searched)
		search(sweep);
	while (sweep->n_candidates > 0) {
		const struct candidate *last = &sweep->candidates[--sweep->n_candidates];

		if (!is_dispensable(sweep, last->connection) ||
		        last->connection->active_at != last->active_at)
			continue; /* it has moved bytes since, or is another one by now */
		connection_close(sweep->config.connections, last->connection, CLOSE_FULL);
		return true;
	}
	return false;
}

void
sweep_wake(struct sweep *sweep)
{
	if (!ev_is_active(&sweep->tick))
		ev_timer_again(sweep->config.loop, &sweep->tick);
}

static int64_t
ticks_of(uint64_t time_ms)
{
	return time_ms ? (int64_t)((time_ms * TICKS_A_SECOND + 999) / 1000) : NEVER;
}

struct sweep *
sweep_new(const struct sweep_config *config)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep)
		return NULL;
	sweep->config = *config;
	sweep->ticks_left = TICKS_A_ROUND;
	sweep->idle = ticks_of(config->idle_timeout);
	sweep->idle_full = ticks_of(config->idle_timeout_full);
	sweep->stalled = ticks_of(config->stall_timeout);
	ev_timer_init(&sweep->tick, sweep_on_tick, 0, 1.0 / TICKS_A_SECOND);
	sweep->tick.data = sweep;
	return sweep;
}

void
sweep_free(struct sweep *sweep)
{
	if (!sweep)
		return;
	ev_timer_stop(sweep->config.loop, &sweep->tick);
	free(sweep);
}
