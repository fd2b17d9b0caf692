#include "echod/loop.h"

#include "echod/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* libev would call abort(3). */
static void
end_process(const char *call)
{
	log_line(LOG_ERR, "echod: %s: %s", call, strerror(errno));
	exit(EXIT_FAILURE);
}

/* As realloc(3), but that 0 bytes free (ev(3), ev_set_allocator). */
static void *
allocate(void *memory, long size)
{
	void *more;

	if (size == 0) {
		free(memory);
		return NULL;
	}
	more = realloc(memory, (size_t)size);
	if (!more)
		end_process("memory for the event loop");
	return more;
}

struct ev_loop *
loop_new(void)
{
	ev_set_allocator(allocate);
	ev_set_syserr_cb(end_process);
	return ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
}

static void
loop_on_poke(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)timer;
	(void)events;
}

void
loop_poke_init(struct ev_timer *timer)
{
	ev_timer_init(timer, loop_on_poke, 0, 0);
}

void
loop_poke(struct ev_loop *loop, struct ev_timer *timer)
{
	ev_timer_stop(loop, timer);
	ev_timer_set(timer, 0, 0);
	ev_timer_start(loop, timer);
}
