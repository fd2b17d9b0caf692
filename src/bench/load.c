#include "echod/bench/load.h"

#include "echod/bench/cpu.h"
#include "echod/common/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
	SPARE_FILES = 32,
	MEMORY = 64,     /* slots */
	PACE_NS = 50000, /* messages that are due within so little time go out together */
};

#define TICK_S 0.1

static struct lane *
lane_at(const struct load *load, uint64_t i)
{
	return (struct lane *)(void *)(load->lanes + i * load->stride);
}

static void
arm(struct load *load, ev_timer *timer, double after_s, double repeat_s)
{
	ev_timer_stop(load->traffic.loop, timer);
	ev_now_update(load->traffic.loop);
	ev_timer_set(timer, after_s, repeat_s);
	ev_timer_start(load->traffic.loop, timer);
}

static struct mark
take_mark(const struct load *load)
{
	struct mark mark = {clock_now_ns(), cpu_own_ns(), 0, load->traffic.counts};

	if (load->options->stats_pid > 0)
		cpu_of_ns((pid_t)load->options->stats_pid, &mark.peer_cpu_ns);
	return mark;
}

static void
finish(struct load *load)
{
	load->phase = LOAD_DONE;
	ev_break(load->traffic.loop, EVBREAK_ALL);
}

static void
drain(struct load *load)
{
	if (load->phase >= LOAD_DRAINING)
		return;
	if (load->phase == LOAD_WARMING)
		load->begin = take_mark(load);
	load->end = take_mark(load);
	load->phase = LOAD_DRAINING;
	load->traffic.running = false;
	ev_io_stop(load->traffic.loop, &load->pacer);
	ev_timer_stop(load->traffic.loop, &load->second);
	arm(load, &load->phase_timer, (double)load->options->timeout_ms / 1000. + TICK_S, 0.);
}

static void
measure(struct load *load)
{
	const struct bench_options *o = load->options;

	load->phase = LOAD_MEASURING;
	memset(&load->traffic.echo_ns, 0, sizeof(load->traffic.echo_ns));
	load->traffic.budget = o->total > 0 ? o->total : UINT64_MAX;
	load->begin = take_mark(load);
	if (o->duration_ms > 0)
		arm(load, &load->phase_timer, (double)o->duration_ms / 1000., 0.);
}

static void
load_on_phase(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct load *load = timer->data;

	(void)loop;
	(void)revents;
	if (load->phase == LOAD_WARMING)
		measure(load);
	else if (load->phase == LOAD_MEASURING)
		drain(load);
	else
		finish(load);
}

/* Begins what is due. */
static void
issue(struct load *load)
{
	struct traffic *traffic = &load->traffic;
	uint64_t due = schedule_count(&traffic->schedule, clock_now_ns()), first = load->issued;

	for (; load->issued < due && traffic->budget > 0; load->issued++) {
		struct lane *lane = lane_at(load, load->issued % load->n_lanes);

		if (lane->open)
			load->kind->add(lane);
	}
	for (uint64_t k = first; k < load->issued && k < first + load->n_lanes; k++) {
		struct lane *lane = lane_at(load, k % load->n_lanes);

		if (lane->open)
			load->kind->pump(lane);
	}
}

static void
load_on_pace(struct ev_loop *loop, ev_io *io, int revents)
{
	uint64_t expirations;

	(void)loop;
	(void)revents;
	if (read(io->fd, &expirations, sizeof(expirations)) > 0)
		issue(io->data);
}

static int
start_pacer(struct load *load)
{
	uint64_t ns = NS_PER_S / load->traffic.schedule.rate;
	int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct timespec pace,
	        start = {.tv_sec = (time_t)(load->traffic.schedule.start_ns / NS_PER_S),
	                .tv_nsec = (long)(load->traffic.schedule.start_ns % NS_PER_S)};

	if (timer_fd < 0)
		return -errno;
	ns = ns < PACE_NS ? PACE_NS : ns;
	pace = (struct timespec){(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
	timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &(struct itimerspec){pace, start}, NULL);
	ev_io_init(&load->pacer, load_on_pace, timer_fd, EV_READ);
	load->pacer.data = load;
	ev_io_start(load->traffic.loop, &load->pacer);
	return 0;
}

static void
load_on_connected(void *owner, int peer_fd)
{
	struct load *load = owner;
	struct lane *lane = lane_at(load, load->n_lanes);

	if (load->kind->start(lane, &load->traffic, load->n_lanes, peer_fd) == 0)
		load->n_lanes++;
	else
		load->kind->end(lane);
}

static void
load_on_opened(void *owner)
{
	struct load *load = owner;
	struct traffic *traffic = &load->traffic;
	const struct bench_options *o = load->options;

	if (load->n_lanes == 0) {
		finish(load);
		return;
	}
	load->phase = LOAD_WARMING;
	traffic->n_lanes = load->n_lanes;
	traffic->running = true;
	traffic->budget = UINT64_MAX;
	load->progress_ns = clock_now_ns();
	arm(load, &load->tick, TICK_S, TICK_S);
	if (load->on_second)
		arm(load, &load->second, 1., 1.);
	if (o->warmup_ms > 0)
		arm(load, &load->phase_timer, (double)o->warmup_ms / 1000., 0.);
	else
		measure(load);
	if (traffic->open_loop) {
		traffic->schedule = (struct schedule){load->progress_ns, o->rate};
		if (start_pacer(load) < 0)
			finish(load);
		return;
	}
	for (size_t i = 0; i < load->n_lanes; i++)
		load->kind->pump(lane_at(load, i));
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
		struct lane *lane = lane_at(load, i);

		if (lane->open)
			load->kind->tick(lane, now_ns);
		n_open += lane->open;
	}
	settled = traffic->counts.sent - traffic->pending;
	if (settled != load->last_settled || traffic->pending == 0) {
		load->last_settled = settled;
		load->progress_ns = now_ns;
	}
	/* Without an end in time, a peer that stands still must not hold us for ever. But first its
	 * messages are given up, by the tick that comes after their time. */
	stands_still = now_ns - load->progress_ns >
	               traffic->timeout_ns + (uint64_t)(2 * TICK_S * (double)NS_PER_S);
	if (n_open == 0 || (load->options->duration_ms == 0 && stands_still))
		drain(load);
}

static void
load_on_second(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct load *load = timer->data;

	(void)loop;
	(void)revents;
	load->on_second(load);
}

/* At the end of each turn of the loop. */
static void
load_on_turn(struct ev_loop *loop, ev_prepare *prepare, int revents)
{
	struct load *load = prepare->data;

	(void)loop;
	(void)revents;
	if (load->phase < LOAD_MEASURING || load->traffic.pending > 0)
		return;
	if (load->phase == LOAD_MEASURING && load->traffic.budget == 0)
		drain(load);
	if (load->phase == LOAD_DRAINING)
		finish(load);
}

static void
load_on_signal(struct ev_loop *loop, ev_signal *signal, int revents)
{
	struct load *load = signal->data;

	(void)loop;
	(void)revents;
	if (load->interrupted || load->phase == LOAD_OPENING)
		finish(load);
	else
		drain(load);
	load->interrupted = true;
}

/* Returns 0, or -EMFILE. */
static int
raise_file_limit(uint64_t files)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (files > limit.rlim_max)
		return -EMFILE;
	if (files > limit.rlim_cur)
		limit.rlim_cur = files;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static void
init_traffic(struct load *load)
{
	const struct bench_options *o = load->options;
	struct traffic *traffic = &load->traffic;
	uint64_t seed, per_lane = o->rate / o->connections + 1;

	if (getrandom(&seed, sizeof(seed), 0) < 0)
		seed = clock_now_ns();
	payload_init(&traffic->payload, seed);
	traffic->size = o->size;
	traffic->depth = o->depth;
	traffic->open_loop = o->rate > 0;
	traffic->timeout_ns = o->timeout_ms * NS_PER_MS;
	/* in a closed loop some more than are in flight, to remember what came back; in an open one
	 * what is due until it is given up, and half of that again */
	traffic->capacity = 2 * o->depth + MEMORY;
	if (traffic->open_loop)
		traffic->capacity = per_lane * (o->timeout_ms + 100) / 1000 * 3 / 2 + MEMORY;
}

static void
init_watchers(struct load *load)
{
	ev_init(&load->phase_timer, load_on_phase);
	ev_init(&load->tick, load_on_tick);
	ev_init(&load->second, load_on_second);
	ev_prepare_init(&load->turn, load_on_turn);
	ev_signal_init(&load->interrupt, load_on_signal, SIGINT);
	ev_signal_init(&load->terminate, load_on_signal, SIGTERM);
	load->phase_timer.data = load->tick.data = load->second.data = load->turn.data =
	        load->interrupt.data = load->terminate.data = load;
}

int
load_init(struct load *load, const struct bench_options *options, const struct address *to)
{
	int error;

	memset(load, 0, sizeof(*load));
	load->options = options;
	load->to = *to;
	load->kind = options->target.udp ? &datagram_lane : &stream_lane;
	load->traffic.loop = ev_default_loop(EVFLAG_AUTO);
	if (!load->traffic.loop)
		return -ENOSYS;
	init_traffic(load);
	init_watchers(load);
	error = raise_file_limit(options->connections + SPARE_FILES);
	if (error)
		return error;
	load->stride = load->kind->size(&load->traffic);
	load->lanes = calloc(options->connections, load->stride);
	if (!load->lanes)
		return -ENOMEM;
	load->opener.loop = load->traffic.loop;
	load->opener.dial = (struct dial){.to = *to, .datagram = options->target.udp};
	load->opener.sources = options->sources;
	load->opener.wanted = options->connections;
	load->opener.timeout_ns = load->traffic.timeout_ns;
	load->opener.owner = load;
	load->opener.on_open = load_on_connected;
	load->opener.on_done = load_on_opened;
	return load->kind->prepare(&load->traffic);
}

int
load_run(struct load *load)
{
	struct ev_loop *loop = load->traffic.loop;

	ev_prepare_start(loop, &load->turn);
	ev_signal_start(loop, &load->interrupt);
	ev_signal_start(loop, &load->terminate);
	opener_start(&load->opener);
	ev_run(loop, 0);
	if (load->n_lanes == 0)
		return load->opener.error ? load->opener.error : -ECANCELED;
	for (size_t i = 0; i < load->n_lanes; i++)
		load->kind->end(lane_at(load, i));
	return 0;
}

void
load_release(struct load *load)
{
	struct ev_loop *loop = load->traffic.loop;

	if (!loop)
		return;
	opener_stop(&load->opener);
	for (size_t i = 0; i < load->n_lanes; i++)
		load->kind->end(lane_at(load, i));
	if (ev_is_active(&load->pacer) || load->pacer.fd > 0) {
		ev_io_stop(loop, &load->pacer);
		close(load->pacer.fd);
	}
	ev_timer_stop(loop, &load->phase_timer);
	ev_timer_stop(loop, &load->tick);
	ev_timer_stop(loop, &load->second);
	ev_prepare_stop(loop, &load->turn);
	ev_signal_stop(loop, &load->interrupt);
	ev_signal_stop(loop, &load->terminate);
	free(load->lanes);
	free(load->traffic.scratch);
	free(load->traffic.batch);
}
