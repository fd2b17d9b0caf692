#include "echod/bench/opener.h"

#include "echod/common/clock.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SPARE_FILES = 32 };

#define TICK_S 0.1

int
opener_allow_files(uint64_t connections)
{
	uint64_t files = connections + SPARE_FILES;
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
fail(struct opener *opener, int error)
{
	if (opener->failed++ == 0)
		opener->error = error;
	if (opener->opened == 0 && opener->failed >= OPENER_HOPELESS)
		opener->wanted = opener->begun;
	opener->on_settled(opener->owner, error);
}

static void
release(struct opener *opener, struct opening *opening)
{
	ev_io_stop(opener->loop, &opening->io);
	opening->started_ns = 0;
	opener->n_openings--;
}

static void
settle(struct opener *opener, struct opening *opening, int error)
{
	uint64_t started_ns = opening->started_ns;

	release(opener, opening);
	if (error) {
		close(opening->io.fd);
		fail(opener, error);
		return;
	}
	histogram_record(&opener->connect_ns, clock_now_ns() - started_ns, 1);
	opener->opened++;
	opener->on_settled(opener->owner, opening->io.fd);
}

static void opener_on_io(struct ev_loop *loop, ev_io *io, int revents);

/* There is one while n_openings is below width. */
static struct opening *
find_free(struct opener *opener)
{
	struct opening *opening = opener->openings;

	while (opening->started_ns != 0)
		opening++;
	return opening;
}

static void
open_one(struct opener *opener, struct opening *opening)
{
	struct dial dial = opener->dial;
	uint64_t now_ns = clock_now_ns(), started_ns = now_ns;
	int peer_fd;

	if (opener->schedule)
		started_ns = schedule_due_ns(opener->schedule, opener->begun);
	dial.from = source_range_at(&opener->sources, opener->first + opener->begun++);
	peer_fd = now_ns - started_ns < opener->timeout_ns ? dial_open(&dial) : -ETIMEDOUT;
	if (peer_fd < 0) {
		fail(opener, peer_fd);
	} else if (dial.datagram) {
		opener->opened++;
		opener->on_settled(opener->owner, peer_fd);
	} else {
		opening->started_ns = started_ns;
		opener->n_openings++;
		ev_io_init(&opening->io, opener_on_io, peer_fd, EV_WRITE);
		opening->io.data = opener;
		ev_io_start(opener->loop, &opening->io);
	}
}

static void
go_on(struct opener *opener)
{
	while (opener->begun < opener->wanted && opener->n_openings < opener->width)
		open_one(opener, find_free(opener));
	if (!opener->on_done || opener->begun < opener->wanted || opener->n_openings > 0)
		return;
	ev_timer_stop(opener->loop, &opener->tick);
	opener->on_done(opener->owner);
}

static void
opener_on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct opener *opener = io->data;

	(void)loop;
	(void)revents;
	settle(opener, (struct opening *)(void *)io, dial_result(io->fd));
	go_on(opener);
}

static void
opener_on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct opener *opener = timer->data;
	uint64_t now_ns = clock_now_ns();

	(void)loop;
	(void)revents;
	for (size_t i = 0; i < opener->width; i++) {
		struct opening *opening = &opener->openings[i];

		if (opening->started_ns != 0 && now_ns - opening->started_ns >= opener->timeout_ns)
			settle(opener, opening, -ETIMEDOUT);
	}
	go_on(opener);
}

void
opener_start(struct opener *opener)
{
	ev_timer_init(&opener->tick, opener_on_tick, 0., TICK_S);
	opener->tick.data = opener;
	ev_timer_start(opener->loop, &opener->tick);
}

void
opener_add(struct opener *opener)
{
	opener->wanted++;
	go_on(opener);
}

void
opener_stop(struct opener *opener)
{
	ev_timer_stop(opener->loop, &opener->tick);
	for (size_t i = 0; i < opener->width; i++) {
		struct opening *opening = &opener->openings[i];

		if (opening->started_ns == 0)
			continue;
		release(opener, opening);
		close(opening->io.fd);
	}
}
