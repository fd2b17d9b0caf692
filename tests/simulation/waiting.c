#include "waiting.h"

#include "epoll.h"
#include "trace.h"

static struct {
	struct waiting all[LISTENERS_MOST];
	uint32_t n;
} state;

void
waiting_begin(void)
{
	state.n = 0;
}

struct waiting *
waiting_new(int listen_fd, bool handed_over, int family)
{
	struct waiting *waiting = &state.all[state.n++];

	expect(state.n <= LISTENERS_MOST, "too many TCP sockets are opened");
	waiting->listen_fd = listen_fd;
	waiting->handed_over = handed_over;
	waiting->family = family;
	waiting->keepalive_s = 0;
	waiting->listening = false;
	waiting->head = waiting->count = waiting->backlog = 0;
	return waiting;
}

void
waiting_listen(struct waiting *waiting, uint32_t backlog)
{
	waiting->listening = true;
	waiting->backlog = backlog < WAITING_MOST ? backlog + 1 : WAITING_MOST;
}

void
waiting_close(struct waiting *waiting)
{
	struct stream *stream;

	waiting->listen_fd = -1;
	waiting->listening = false;
	if (!waiting->handed_over)
		while ((stream = waiting_take(waiting)))
			stream_close(stream, true);
}

uint32_t
waiting_listeners(struct waiting **some)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < state.n; i++)
		if (state.all[i].listening)
			some[n++] = &state.all[i];
	return n;
}

bool
waiting_enter(struct waiting *waiting, struct stream *stream)
{
	if (waiting->count == waiting->backlog)
		return false;
	waiting->queue[(waiting->head + waiting->count++) % WAITING_MOST] = stream;
	epoll_wake(waiting->listen_fd);
	return true;
}

struct stream *
waiting_take(struct waiting *waiting)
{
	struct stream *stream = waiting->queue[waiting->head];

	if (waiting->count == 0)
		return NULL;
	waiting->head = (waiting->head + 1) % WAITING_MOST;
	waiting->count--;
	return stream;
}

uint32_t
waiting_count(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < state.n; i++)
		count += state.all[i].count;
	return count;
}

uint32_t
waiting_readiness(const struct waiting *waiting)
{
	return waiting->count > 0 ? EPOLLIN : 0;
}
