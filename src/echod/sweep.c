#include "echod/sweep.h"

#include "echod/connection_begin.h"

#include <stdlib.h>
#include <string.h>

enum {
	TICK_MS = 100,        /* the unit of connections_now() */
	TICKS_PER_ROUND = 10, /* in which every connection is examined once */
	TICKS_PER_TRIM = 50,  /* in which every ring is examined once */
	HEADER_TICKS = 30,    /* for a PROXY header to come */
	CANDIDATES = 64,
	LINGERING_PER_TICK = 1024, /* bounds the time that a tick takes */
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
	uint32_t linger_position;         /* the lingering connection to examine next */
	int64_t idle, idle_full, stalled; /* ticks, or NEVER */
	/* connections to evict, the longest-idle last */
	struct candidate candidates[CANDIDATES];
	uint32_t n_candidates;
	bool searched;        /* in this tick */
	uint32_t checks_left; /* of lingering connections, in this tick */
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
	return c->open && !c->blocked && !c->lingers &&
	       exceeds(quiet_ticks(sweep, c), sweep->idle_full);
}

/*
 * Closes a connection that is stalled, that has died (asking for the error takes it off the socket,
 * so it has to be acted upon), or that lingers no longer. Returns whether it has ended.
 *
 * What counts is what the peer acknowledges, wherever the bytes wait. Bytes that the kernel does
 * not take although none are outstanding (a family other than TCP, lack of memory) wait since they
 * last moved.
 */
static bool
check_delivery(struct sweep *sweep, struct connection *c)
{
	struct connections *connections = sweep->config.connections;
	uint32_t waiting_ticks;
	int delivery = connection_check_delivery(connections, c, &waiting_ticks);
	int64_t stalled = delivery == DELIVERY_OUTSTANDING ? (int64_t)waiting_ticks
	                  : c->blocked                     ? quiet_ticks(sweep, c)
	                                                   : 0;

	if (delivery < 0 || (delivery == DELIVERY_COMPLETE && c->lingers))
		connection_close(connections, c, connection_close_reason(delivery));
	else if (exceeds(stalled, sweep->stalled))
		connection_close(connections, c, CLOSE_STALLED);
	else
		return false;
	return true;
}

/* Closes the connection if it has timed out. Returns whether it is open and evictable. */
static bool
check_connection(struct sweep *sweep, struct connection *c)
{
	if (!c->open || c->lingers || check_delivery(sweep, c))
		return false;
	if (connection_awaits_header(c) && connection_check_header(sweep->config.connections, c,
	                                           exceeds(quiet_ticks(sweep, c), HEADER_TICKS)))
		return false;
	if (!c->blocked && exceeds(quiet_ticks(sweep, c), sweep->idle)) {
		connection_close(sweep->config.connections, c, CLOSE_IDLE);
		return false;
	}
	return is_evictable(sweep, c);
}

/* Returns whether a connection has ended. */
static bool
check_lingering(struct sweep *sweep)
{
	struct connections *connections = sweep->config.connections;
	uint32_t before = connections_lingering(connections);
	uint32_t left = before < LINGERING_PER_TICK ? before : LINGERING_PER_TICK;

	for (; left > 0; left--) {
		struct connection *c;

		if (sweep->linger_position >= connections_lingering(connections))
			sweep->linger_position = 0;
		c = connections_lingering_at(connections, sweep->linger_position);
		if (!check_delivery(sweep, c)) /* else another one moves there */
			sweep->linger_position++;
	}
	return connections_lingering(connections) < before;
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
	sweep->checks_left = LINGERING_PER_TICK;
	check_lingering(sweep);
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
}

/* Leaves a connection that is evictable now as the last candidate. Returns whether there is one. */
static bool
find_candidate(struct sweep *sweep)
{
	for (; sweep->n_candidates > 0; sweep->n_candidates--) {
		const struct candidate *last = &sweep->candidates[sweep->n_candidates - 1];

		/* else bytes have moved since, or the slot is another connection's */
		if (is_evictable(sweep, last->connection) &&
		        last->connection->active_at == last->active_at)
			return true;
	}
	return false;
}

bool
sweep_can_free_slot(struct sweep *sweep)
{
	if (find_candidate(sweep))
		return true;
	if (sweep->searched)
		return false;
	sweep->searched = true;
	if (check_lingering(sweep) && !connections_full(sweep->config.connections))
		return true;
	search_candidates(sweep);
	return find_candidate(sweep);
}

void
sweep_end_delivered(struct sweep *sweep)
{
	uint32_t lingering = connections_lingering(sweep->config.connections);

	if (lingering > sweep->checks_left)
		return;
	sweep->checks_left -= lingering;
	check_lingering(sweep);
}

void
sweep_free_slot(struct sweep *sweep)
{
	if (find_candidate(sweep))
		connection_close(sweep->config.connections,
		        sweep->candidates[--sweep->n_candidates].connection, CLOSE_FULL);
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
	return time_ms ? (int64_t)((time_ms + TICK_MS - 1) / TICK_MS) : NEVER;
}

struct sweep *
sweep_new(const struct sweep_config *config)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep)
		return NULL;
	sweep->config = *config;
	sweep->ticks_left = TICKS_PER_ROUND;
	sweep->checks_left = LINGERING_PER_TICK;
	sweep->idle = to_ticks(config->idle_timeout);
	sweep->idle_full = to_ticks(config->idle_timeout_full);
	sweep->stalled = to_ticks(config->stall_timeout);
	ev_timer_init(&sweep->tick, sweep_on_tick, 0, TICK_MS / 1e3);
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
