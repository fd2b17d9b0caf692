#include "echod/bench/sessions.h"

#include "echod/common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void
sessions_on_end(void *owner, struct lane *lane)
{
	struct load *load = owner;

	load->idle[load->n_idle++] = lane;
	load->n_sessions--;
	sessions_issue(load);
}

static void
sessions_on_settled(void *owner, int peer_fd)
{
	struct load *load = owner;
	struct lane *lane;

	if (peer_fd < 0) { /* whatever begins sessions tries again soon, but not at once */
		load->n_sessions--;
		traffic_forgone(&load->traffic, load->traffic.per_connection);
		return;
	}
	lane = load->idle[--load->n_idle];
	load->kind->start(lane, &load->traffic, load->opener.begun, peer_fd);
	load->kind->pump(lane);
}

int
sessions_init(struct load *load)
{
	size_t n = load->options->connections;

	load->idle = calloc(n, sizeof(struct lane *));
	if (!load->idle)
		return -ENOMEM;
	load->n_lanes = n;
	for (; load->n_idle < n; load->n_idle++)
		load->idle[load->n_idle] = load_lane(load, load->n_idle);
	load->traffic.owner = load;
	load->traffic.on_end = sessions_on_end;
	load->opener.on_settled = sessions_on_settled;
	load->opener.wanted = 0;
	load->opener.on_done = NULL;
	if (load->options->connect_rate > 0)
		load->opener.schedule = &load->traffic.schedule;
	return 0;
}

/* How many sessions have come due and not begun. */
static uint64_t
count_due(const struct load *load)
{
	const struct traffic *traffic = &load->traffic;

	return load->opener.schedule
	               ? schedule_count(&traffic->schedule, clock_now_ns()) - load->opener.begun
	               : load->n_lanes - load->n_sessions;
}

void
sessions_issue(struct load *load)
{
	struct traffic *traffic = &load->traffic;
	uint64_t due = traffic->running ? count_due(load) : 0;

	for (; due > 0 && load->n_sessions < load->n_lanes && traffic->promised < traffic->budget;
	        due--) {
		load->n_sessions++;
		traffic->promised += traffic->per_connection;
		opener_add(&load->opener);
	}
}

void
sessions_stop(struct load *load)
{
	/* with a free lane none waits: what has come due since the last look is not late */
	if (!load->opener.schedule || load->n_sessions < load->n_lanes ||
	        load->traffic.promised >= load->traffic.budget)
		return;
	load->opener.failed += count_due(load);
	if (load->opener.error == 0 && load->opener.failed > 0)
		load->opener.error = -ETIMEDOUT;
}

void
sessions_measure(struct load *load)
{
	struct opener *opener = &load->opener;

	opener->opened = load->n_lanes - load->n_idle;
	opener->failed = 0;
	opener->error = 0;
	memset(&opener->connect_ns, 0, sizeof(opener->connect_ns));
	memset(&load->traffic.close_ns, 0, sizeof(load->traffic.close_ns));
}

bool
sessions_are_hopeless(const struct load *load)
{
	const struct opener *opener = &load->opener;

	return opener->opened == 0 &&
	       (opener->failed >= load->n_lanes || opener->failed >= OPENER_HOPELESS);
}
