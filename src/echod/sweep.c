#include "echod/sweep.h"

#include <stdlib.h>
#include <string.h>

enum {
	TICKS_PER_SECOND = 10, /* the unit of connections_now() */
	TICKS_PER_ROUND = 10,  /* in which every connection is examined once */
	TICKS_PER_TRIM = 50,   /* in which every ring is examined once */
	CANDIDATES = 64,
	NEVER = -1,
};

/* A connection as it was when it was found idle. */
struct candidate {
	struct connection *connection;
	uint32_t active_at;
};

struct sweep {
	struct sweep_config config;
	struct ev_timer tick;
	uint32_t position;                /* the slot to examine next */
	uint32_t ticks_left;              /* in this round */
	int64_t idle, idle_full, stalled; /* ticks, or NEVER */
	/* connections to evict, the longest-idle last */
	struct candidate candidates[CANDIDATES];
	uint32_t n_candidates;
	bool searched; /* in this tick */
};

/* The time since bytes last moved, in ticks. */
static int64_t
quiet_ticks(const struct sweep *sweep, const struct connection *c)
{
	return (uint32_t)(connections_now(sweep->config.connections) - c->active_at);
}

/* Two ticks more than the timeout: a tick that has begun is not over, and a late tick is followed
 * by the next at once (ev(3), repeating timers). */
static bool
exceeds(int64_t ticks, int64_t timeout)
{
	return timeout != NEVER && ticks >= timeout + 2;
}

static bool
is_evictable(const struct sweep *sweep, const struct connection *c)
{
	return c->open && !c->blocked && exceeds(quiet_ticks(sweep, c), sweep->idle_full);
}

/* Closes the connection if it has timed out. Returns whether it is open and evictable. */
static bool
check_connection(struct sweep *sweep, struct connection *c)
{
	int64_t quiet = quiet_ticks(sweep, c);

	if (!c->open)
		return false;
	if (exceeds(quiet, c->blocked ? sweep->stalled : sweep->idle)) {
		connection_close(
		        sweep->config.connections, c, c->blocked ? CLOSE_STALLED : CLOSE_IDLE);
		return false;
	}
	return is_evictable(sweep, c);
}

/* At least a tenth of the slots; more when slots have been added since the round began, so that the
 * round takes no longer. */
static uint32_t
slice_size(const struct sweep *sweep, uint32_t slots)
{
	uint32_t slice = slots / TICKS_PER_ROUND + 1;
	uint32_t rest = (slots - sweep->position) / sweep->ticks_left + 1;

	return rest > slice ? rest : slice;
}

static void
check_slice(struct sweep *sweep)
{
	uint32_t slots = connections_slots(sweep->config.connections);
	bool evictable = false;

	for (uint32_t left = slice_size(sweep, slots); left > 0; left--) {
		if (sweep->position >= slots) {
			sweep->position = 0;
			sweep->ticks_left = TICKS_PER_ROUND;
		}
		evictable |= check_connection(
		        sweep, connections_at(sweep->config.connections, sweep->position++));
	}
	sweep->ticks_left--;
	if (evictable)
		sweep->config.on_evictable(sweep->config.owner);
}

static void
sweep_on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct sweep *sweep = timer->data;

	(void)events;
	/* By one tick, however late it is: activity is stamped with the previous tick and must not
	 * look older than it can be. */
	connections_advance(sweep->config.connections, 1);
	sweep->searched = false;
	check_slice(sweep);
	if (!connections_trim(sweep->config.connections, TICKS_PER_TRIM) &&
	        connections_open_now(sweep->config.connections) == 0)
		ev_timer_stop(loop, timer);
}

/* Keeps the longest-idle candidates, in order. */
static void
insert_candidate(struct sweep *sweep, struct connection *c)
{
	struct candidate *all = sweep->candidates;
	uint32_t at = 0;

	while (at < sweep->n_candidates &&
	        quiet_ticks(sweep, c) > quiet_ticks(sweep, all[at].connection))
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
search_candidates(struct sweep *sweep)
{
	struct connections *connections = sweep->config.connections;

	for (uint32_t i = 0; i < connections_slots(connections); i++)
		if (is_evictable(sweep, connections_at(connections, i)))
			insert_candidate(sweep, connections_at(connections, i));
	sweep->searched = true;
}

bool
sweep_evict_idle(struct sweep *sweep)
{
	if (sweep->n_candidates == 0 && !sweep->searched)
		search_candidates(sweep);
	while (sweep->n_candidates > 0) {
		const struct candidate *last = &sweep->candidates[--sweep->n_candidates];

		if (!is_evictable(sweep, last->connection) ||
		        last->connection->active_at != last->active_at)
			continue; /* bytes have moved since, or the slot is another connection's */
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
to_ticks(uint64_t time_ms)
{
	return time_ms ? (int64_t)((time_ms * TICKS_PER_SECOND + 999) / 1000) : NEVER;
}

struct sweep *
sweep_new(const struct sweep_config *config)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep)
		return NULL;
	sweep->config = *config;
	sweep->ticks_left = TICKS_PER_ROUND;
	sweep->idle = to_ticks(config->idle_timeout);
	sweep->idle_full = to_ticks(config->idle_timeout_full);
	sweep->stalled = to_ticks(config->stall_timeout);
	ev_timer_init(&sweep->tick, sweep_on_tick, 0, 1.0 / TICKS_PER_SECOND);
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
