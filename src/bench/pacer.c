#include "echod/bench/pacer.h"

#include "echod/common/clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
	PACE_NS = 50000, /* messages that are due within so little time go out together */
};

static void
pacer_on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct pacer *pacer = io->data;
	uint64_t expirations;

	(void)loop;
	(void)revents;
	if (read(io->fd, &expirations, sizeof(expirations)) > 0)
		pacer->on_due(pacer->owner);
}

int
pacer_init(struct pacer *pacer, struct ev_loop *loop, void *owner, void (*on_due)(void *owner))
{
	int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (timer_fd < 0)
		return -errno;
	*pacer = (struct pacer){.loop = loop, .owner = owner, .on_due = on_due};
	ev_io_init(&pacer->io, pacer_on_io, timer_fd, EV_READ);
	pacer->io.data = pacer;
	return 0;
}

void
pacer_start(struct pacer *pacer, const struct schedule *schedule)
{
	uint64_t ns = NS_PER_S / schedule->rate;
	struct itimerspec timer = {.it_value = {
	                                   .tv_sec = (time_t)(schedule->start_ns / NS_PER_S),
	                                   .tv_nsec = (long)(schedule->start_ns % NS_PER_S),
	                           }};

	ns = ns < PACE_NS ? PACE_NS : ns;
	timer.it_interval = (struct timespec){(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
	timerfd_settime(pacer->io.fd, TFD_TIMER_ABSTIME, &timer, NULL);
	ev_io_start(pacer->loop, &pacer->io);
}

void
pacer_stop(struct pacer *pacer)
{
	if (pacer->loop)
		ev_io_stop(pacer->loop, &pacer->io);
}

void
pacer_release(struct pacer *pacer)
{
	if (!pacer->loop)
		return;
	pacer_stop(pacer);
	close(pacer->io.fd);
	pacer->loop = NULL;
}
