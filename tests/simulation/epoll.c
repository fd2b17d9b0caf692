#include "epoll.h"

#include "datagrams.h"
#include "random.h"
#include "stats_clients.h"
#include "stream.h"
#include "trace.h"
#include "waiting.h"

#include <errno.h>

/* Descriptors that may be ready. A descriptor is in it once at most. */
static struct {
	int queue[FILES_MOST];
	uint32_t head, count;
} state;

void
epoll_begin(void)
{
	state.head = state.count = 0;
}

static void
push(int fd)
{
	state.queue[(state.head + state.count++) % FILES_MOST] = fd;
}

static int
pop(void)
{
	int fd = state.queue[state.head];

	state.head = (state.head + 1) % FILES_MOST;
	state.count--;
	return fd;
}

void
epoll_wake(int fd)
{
	if (fd < 0 || !files_at(fd)->watched || files_at(fd)->queued)
		return;
	files_at(fd)->queued = true;
	push(fd);
}

int
epoll_control(int operation, int fd, const struct epoll_event *event)
{
	struct file *file = files_any(fd, "epoll_ctl");

	switch (operation) {
	case EPOLL_CTL_ADD:
		if (file->watched)
			return -EEXIST;
		break;
	case EPOLL_CTL_MOD:
		if (!file->watched)
			return -ENOENT;
		break;
	case EPOLL_CTL_DEL:
		if (!file->watched)
			return -ENOENT;
		file->watched = false;
		return 0;
	default:
		fail("epoll_ctl: operation %d", operation);
	}
	file->watched = true;
	file->events = event->events;
	file->data = event->data.u64;
	epoll_wake(fd);
	return 0;
}

void
epoll_forget(void)
{
	for (int fd = 0; fd < files_end(); fd++)
		files_at(fd)->watched = false;
}

static uint32_t
readiness(const struct file *file)
{
	switch (file->kind) {
	case FILE_SIGNALS:
		return file->pending ? EPOLLIN : 0;
	case FILE_LISTENER:
		return waiting_readiness(file->waiting);
	case FILE_STATS:
		return stats_clients_readiness();
	case FILE_UDP:
		return datagrams_readiness(file->udp);
	case FILE_STREAM:
		return stream_readiness(file->stream);
	case FILE_NONE:
	case FILE_STANDARD:
	case FILE_SOCKET:
	case FILE_EPOLL:
	case FILE_NOTIFY:
	case FILE_STATS_CLIENT:
	case FILE_STATE:
		break;
	}
	fail("epoll watches a file of kind %d", (int)file->kind);
}

static void
shuffle(struct epoll_event *events, int count)
{
	for (int i = count - 1; i > 0; i--) {
		int other = (int)random_below((uint64_t)i + 1);
		struct epoll_event event = events[i];

		events[i] = events[other];
		events[other] = event;
	}
}

int
epoll_collect(struct epoll_event *events, int most)
{
	int count = 0;

	for (uint32_t left = state.count; left > 0 && count < most; left--) {
		int fd = pop();
		struct file *file = files_at(fd);
		uint32_t ready = 0;

		if (file->watched)
			ready = readiness(file) & (file->events | EPOLLERR | EPOLLHUP);
		file->queued = ready;
		if (!ready)
			continue;
		push(fd);
		events[count++] = (struct epoll_event){.events = ready, .data.u64 = file->data};
	}
	if (random_one_in(2))
		shuffle(events, count);
	return count;
}
