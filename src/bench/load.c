#include "echod/bench/load.h"

#include "echod/bench/sessions.h"
#include "echod/common/clock.h"
#include "echod/tools/reason.h"
#include "echod/tools/timestamp.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define TICK_S 0.1

static void
arm(struct load *load, ev_timer *timer, double after_s, double repeat_s)
{
	ev_timer_stop(load->traffic.loop, timer);
	ev_now_update(load->traffic.loop);
	ev_timer_set(timer, after_s, repeat_s);
	ev_timer_start(load->traffic.loop, timer);
}

static void
finish(struct load *load)
{
	load->phase = LOAD_DONE;
	ev_break(load->traffic.loop, EVBREAK_ALL);
}

/* Sends nothing more, and waits for what is in flight. */
static void
drain(struct load *load, const char *ended_by)
{
	if (load->phase >= LOAD_DRAINING)
		return;
	if (load->traffic.per_connection > 0)
		sessions_stop(load);
	measurement_end(&load->measurement, ended_by);
	load->phase = LOAD_DRAINING;
	load->traffic.running = false;
	pacer_stop(&load->pacer);
	ev_timer_stop(load->traffic.loop, &load->second);
	arm(load, &load->phase_timer, (double)load->options->timeout_ms / 1000. + TICK_S, 0.);
}

static void
measure(struct load *load)
{
	const struct bench_options *o = load->options;
	uint64_t pending = load->traffic.pending;

	load->phase = LOAD_MEASURING;
	measurement_begin(&load->measurement);
	if (load->traffic.per_connection > 0)
		sessions_measure(load);
	load->traffic.budget = o->total == 0        ? UINT64_MAX
	                       : o->total > pending ? o->total - pending
	                                            : 0;
	arm(load, &load->second, 1., 1.);
	if (o->duration_ms > 0)
		arm(load, &load->phase_timer, (double)o->duration_ms / 1000., 0.);
}

/* Begins what is due. */
static void
load_on_due(void *owner)
{
	struct load *load = owner;
	struct traffic *traffic = &load->traffic;
	uint64_t due = schedule_count(&traffic->schedule, clock_now_ns()), first = load->issued;

	if (traffic->per_connection > 0) {
		sessions_issue(load);
		return;
	}
	for (; load->issued < due && traffic->budget > 0; load->issued++) {
		struct lane *lane = load_lane(load, load->issued % load->n_lanes);

		if (lane->open)
			load->kind->add(lane);
	}
	for (uint64_t k = first; k < load->issued && k < first + load->n_lanes; k++) {
		struct lane *lane = load_lane(load, k % load->n_lanes);

		if (lane->open)
			load->kind->pump(lane);
	}
}

static void
begin(struct load *load)
{
	struct traffic *traffic = &load->traffic;
	const struct bench_options *o = load->options;

	load->phase = LOAD_WARMING;
	traffic->n_lanes = load->n_lanes;
	traffic->running = true;
	traffic->budget = UINT64_MAX;
	load->progress_ns = clock_now_ns();
	arm(load, &load->tick, TICK_S, TICK_S);
	if (o->warmup_ms > 0)
		arm(load, &load->phase_timer, (double)o->warmup_ms / 1000., 0.);
	else
		measure(load);
	traffic->schedule = (struct schedule){load->progress_ns, o->rate + o->connect_rate};
	if (traffic->schedule.rate > 0)
		pacer_start(&load->pacer, &traffic->schedule);
	else if (traffic->per_connection > 0)
		sessions_issue(load);
	else
		for (size_t i = 0; i < load->n_lanes; i++)
			if (load_lane(load, i)->open) /* the peer may have closed it meanwhile */
				load->kind->pump(load_lane(load, i));
}

static void
await_start(struct load *load)
{
	uint64_t start_ns = load->options->start_at_ns, now_ns = timestamp_now_ns();

	if (start_ns == 0) {
		begin(load);
	} else if (now_ns < start_ns) {
		arm(load, &load->phase_timer, clock_seconds(start_ns - now_ns), 0.);
	} else {
		result_set_text(&load->measurement.result.error,
		        "--start-at had passed before all connections were open");
		measurement_end(&load->measurement, "start");
		finish(load);
	}
}

static void
load_on_go(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)revents;
	ev_io_stop(loop, io);
	await_start(io->data);
}

static void
load_on_phase(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct load *load = timer->data;

	(void)loop;
	(void)revents;
	if (load->phase == LOAD_WAITING)
		begin(load);
	else if (load->phase == LOAD_WARMING)
		measure(load);
	else if (load->phase == LOAD_MEASURING)
		drain(load, "duration");
	else
		finish(load);
}

static void
load_on_settled(void *owner, int peer_fd)
{
	struct load *load = owner;
	struct lane *lane = load_lane(load, load->n_lanes);

	if (peer_fd < 0)
		return;
	if (load->kind->start(lane, &load->traffic, load->n_lanes, peer_fd) == 0)
		load->n_lanes++;
	else
		load->kind->end(lane);
}

static void
load_on_opened(void *owner)
{
	struct load *load = owner;

	if (load->n_lanes == 0) {
		measurement_end(&load->measurement, "start");
		finish(load);
		return;
	}
	load->phase = LOAD_WAITING;
	load_update(load);
	load->on_report(load, load->owner);
	ev_io_init(&load->go, load_on_go, load->go_fd, EV_READ);
	load->go.data = load;
	if (load->go_fd >= 0)
		ev_io_start(load->traffic.loop, &load->go);
	else
		await_start(load);
}

static void
load_on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct load *load = timer->data;
	struct traffic *traffic = &load->traffic;
	uint64_t now_ns = clock_now_ns(), settled;
	size_t n_open = 0;
	bool stands_still;

	(void)loop;
	(void)revents;
	for (size_t i = 0; i < load->n_lanes; i++) {
		struct lane *lane = load_lane(load, i);

		if (lane->open)
			load->kind->tick(lane, now_ns);
		n_open += lane->open;
	}
	settled = traffic->counts.sent - traffic->pending;
	/* between the messages of an open loop nothing is in flight; in a closed one it means that
	 * nothing can be sent */
	if (settled != load->last_settled || (traffic->pending == 0 && traffic->open_loop)) {
		load->last_settled = settled;
		load->progress_ns = now_ns;
	}
	/* Without an end in time, a peer that does not answer must not hold the tool for ever. But
	 * first its messages are given up, by the tick that comes after their time. */
	stands_still = now_ns - load->progress_ns >
	               traffic->timeout_ns + (uint64_t)(2 * TICK_S * (double)NS_PER_S);
	if (load->traffic.per_connection > 0 ? sessions_are_hopeless(load) : n_open == 0)
		drain(load, "closed");
	else if (load->traffic.per_connection > 0) /* each ends in time, or is ended */
		sessions_issue(load);
	else if (load->options->duration_ms == 0 && stands_still)
		drain(load, "timeout");
}

static void
load_on_second(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct load *load = timer->data;

	(void)loop;
	(void)revents;
	measurement_add_interval(&load->measurement);
	load->on_report(load, load->owner);
}

/* At the end of each iteration of the loop. */
static void
load_on_iteration(struct ev_loop *loop, ev_prepare *prepare, int revents)
{
	struct load *load = prepare->data;

	(void)loop;
	(void)revents;
	if (load->phase < LOAD_MEASURING || load->traffic.pending > 0 || load->n_sessions > 0)
		return;
	if (load->phase == LOAD_MEASURING && load->traffic.budget == 0)
		drain(load, "total");
	if (load->phase == LOAD_DRAINING)
		finish(load);
}

static void
load_on_signal(struct ev_loop *loop, ev_signal *signal, int revents)
{
	struct load *load = signal->data;

	(void)loop;
	(void)revents;
	if (!load->interrupted && load->phase > LOAD_WAITING) {
		drain(load, "interrupt");
	} else {
		if (load->phase <= LOAD_WAITING)
			measurement_end(&load->measurement, "interrupt");
		finish(load);
	}
	load->interrupted = true;
}

static void
init_watchers(struct load *load)
{
	ev_init(&load->phase_timer, load_on_phase);
	ev_init(&load->tick, load_on_tick);
	ev_init(&load->second, load_on_second);
	ev_prepare_init(&load->iteration, load_on_iteration);
	ev_signal_init(&load->interrupt, load_on_signal, SIGINT);
	ev_signal_init(&load->terminate, load_on_signal, SIGTERM);
	load->phase_timer.data = load->tick.data = load->second.data = load->iteration.data =
	        load->interrupt.data = load->terminate.data = load;
}

int
load_init(struct load *load, const struct bench_options *options, const struct address *to,
        uint64_t first)
{
	int error;

	memset(load, 0, sizeof(*load));
	load->options = options;
	load->go_fd = -1;
	load->kind = options->target.udp ? &datagram_lane : &stream_lane;
	measurement_init(&load->measurement, options, to, &load->traffic);
	load->traffic.loop = ev_default_loop(EVFLAG_AUTO);
	if (!load->traffic.loop)
		return -ENOSYS;
	traffic_init(&load->traffic, options);
	init_watchers(load);
	/* before the connections: there may be no descriptor left after them */
	error = options->rate + options->connect_rate > 0
	                ? pacer_init(&load->pacer, load->traffic.loop, load, load_on_due)
	                : 0;
	if (error)
		return error;
	load->stride = load->kind->size(&load->traffic);
	load->lanes = calloc(options->connections, load->stride);
	load->opener.width = options->connections;
	if (load->opener.width > OPENER_WIDTH && load->traffic.per_connection == 0)
		load->opener.width = OPENER_WIDTH;
	load->opener.openings = calloc(load->opener.width, sizeof(struct opening));
	if (!load->lanes || !load->opener.openings)
		return -ENOMEM;
	load->opener.loop = load->traffic.loop;
	load->opener.dial = (struct dial){.to = *to, .datagram = options->target.udp};
	load->opener.sources = options->sources;
	load->opener.first = first;
	load->opener.wanted = options->connections;
	load->opener.timeout_ns = load->traffic.timeout_ns;
	load->opener.owner = load;
	load->opener.on_settled = load_on_settled;
	load->opener.on_done = load_on_opened;
	error = load->traffic.per_connection > 0 ? sessions_init(load) : 0;
	return error ? error : load->kind->prepare(&load->traffic);
}

void
load_start(struct load *load)
{
	struct ev_loop *loop = load->traffic.loop;

	ev_prepare_start(loop, &load->iteration);
	ev_signal_start(loop, &load->interrupt);
	ev_signal_start(loop, &load->terminate);
	opener_start(&load->opener);
	if (load->traffic.per_connection > 0)
		load_on_opened(load);
}

void
load_update(struct load *load)
{
	struct result *result = &load->measurement.result;

	measurement_update(&load->measurement);
	result->opened = load->traffic.per_connection > 0 ? load->opener.opened : load->n_lanes;
	result->failed = load->opener.failed;
	result->connect_ns = load->opener.connect_ns;
	result->close_ns = load->traffic.close_ns;
}

void
load_run(struct load *load)
{
	struct result *result = &load->measurement.result;
	int error;

	ev_run(load->traffic.loop, 0);
	load->traffic.n_broken += load->n_sessions;
	for (size_t i = 0; i < load->n_lanes; i++)
		load->kind->end(load_lane(load, i));
	measurement_finish(&load->measurement);
	load_update(load);
	error = load->opener.error ? load->opener.error : load->traffic.trouble;
	if (load->interrupted && result->opened == 0)
		error = -ECANCELED;
	if (error && !result->error)
		result_set_text(&result->error, reason_of(error));
}

void
load_release(struct load *load)
{
	struct ev_loop *loop = load->traffic.loop;

	if (!loop)
		return;
	opener_stop(&load->opener);
	free(load->opener.openings);
	for (size_t i = 0; i < load->n_lanes; i++)
		load->kind->end(load_lane(load, i));
	pacer_release(&load->pacer);
	ev_io_stop(loop, &load->go);
	ev_timer_stop(loop, &load->phase_timer);
	ev_timer_stop(loop, &load->tick);
	ev_timer_stop(loop, &load->second);
	ev_prepare_stop(loop, &load->iteration);
	ev_signal_stop(loop, &load->interrupt);
	ev_signal_stop(loop, &load->terminate);
	free(load->lanes);
	free(load->idle);
	free(load->traffic.scratch);
	free(load->traffic.batch);
	result_release(&load->measurement.result);
}
