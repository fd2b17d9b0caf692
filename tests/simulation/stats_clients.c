#include "stats_clients.h"

#include "clock.h"
#include "counters.h"
#include "epoll.h"
#include "faults.h"
#include "random.h"
#include "trace.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>

#define PAUSE (100 * MS)
#define LATE  (1400 * MS)

enum {
	AN_ITERATION = 8, /* that are served at most */
};

static struct {
	struct stats_clients clients;
	int listen_fd; /* -1: none */
	bool bound;    /* at the path, by the daemon */
	uint32_t waiting;
	uint64_t moved_awake; /* when the last one came to none, was accepted, or failed */
	uint64_t failed_ns;   /* 0: never */
	uint64_t iteration;   /* the one that served is of */
	uint32_t served;      /* in this iteration */
	bool accepted, sent;  /* one is, and has its text */
} state;

struct stats_clients
stats_clients_at_random(void)
{
	return (struct stats_clients){
	        .path = random_one_in(16) ? (enum stats_path)random_below(N_PATHS) : PATH_FREE,
	        .one_in = random_scale(8, 512),
	};
}

void
stats_clients_begin(const struct stats_clients *clients)
{
	memset(&state, 0, sizeof(state));
	state.clients = *clients;
	state.listen_fd = -1;
}

void
stats_clients_listen(int listen_fd)
{
	state.listen_fd = listen_fd;
}

bool
stats_clients_listening(void)
{
	return state.listen_fd >= 0;
}

void
stats_clients_close(void)
{
	expect(!state.bound, "the stats socket is closed and its file stays");
	state.listen_fd = -1;
}

static const char *
path_of(const struct sockaddr *address, socklen_t length)
{
	const struct sockaddr_un *local = (const struct sockaddr_un *)address;

	expect(length == sizeof(*local) && local->sun_family == AF_UNIX, "no address of a file");
	return local->sun_path;
}

static void
check_path(const char *path)
{
	expect(strcmp(path, STATS_CLIENTS_PATH) == 0, "the stats socket's path is %s", path);
}

int
stats_clients_bind(const struct sockaddr *address, socklen_t length)
{
	check_path(path_of(address, length));
	if (state.clients.path != PATH_FREE || state.bound)
		return -EADDRINUSE;
	state.bound = true;
	return 0;
}

socklen_t
stats_clients_name(struct sockaddr *name)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = STATS_CLIENTS_PATH};
	socklen_t length = state.bound ? sizeof(local) : sizeof(local.sun_family);

	memcpy(name, &local, length);
	return length;
}

int
stats_clients_connect(const struct sockaddr *address, socklen_t length)
{
	check_path(path_of(address, length));
	expect(state.clients.path == PATH_STALE || state.clients.path == PATH_TAKEN,
	        "connect to what is no socket");
	return state.clients.path == PATH_STALE ? -ECONNREFUSED : 0;
}

int
stats_clients_mode(const char *path)
{
	check_path(path);
	if (state.clients.path == PATH_FREE)
		return -ENOENT;
	return state.clients.path == PATH_OTHER ? S_IFREG : S_IFSOCK;
}

int
stats_clients_unlink(const char *path)
{
	check_path(path);
	expect(state.bound || state.clients.path == PATH_STALE, "another's file is removed");
	state.bound = false;
	state.clients.path = PATH_FREE;
	return 0;
}

int
stats_clients_accept(void)
{
	expect(!state.accepted, "a stats client is left open when the next one is accepted");
	expect(state.failed_ns == 0 || clock_now() >= state.failed_ns + PAUSE,
	        "the stats socket accepts %llu ms after a failure",
	        (unsigned long long)((clock_now() - state.failed_ns) / MS));
	if (state.waiting == 0)
		return -EAGAIN;
	if (state.iteration != clock_iteration())
		state.served = 0;
	state.iteration = clock_iteration();
	expect(++state.served <= AN_ITERATION, "more than %d stats clients in an iteration",
	        (int)AN_ITERATION);
	state.waiting--;
	state.accepted = true;
	state.sent = false;
	state.moved_awake = clock_awake();
	return 0;
}

void
stats_clients_on_reload(void)
{
	state.failed_ns = 0;
}

void
stats_clients_on_failure(void)
{
	state.failed_ns = clock_now();
	state.moved_awake = clock_awake();
}

ssize_t
stats_clients_send(const char *text, size_t size, int flags)
{
	int error = fault(CALL_SEND);

	expect(flags == (MSG_DONTWAIT | MSG_NOSIGNAL), "a stats client may hold up the daemon");
	expect(state.accepted && !state.sent, "a stats client is sent more than one text");
	counters_check_exposition(text, size);
	state.sent = true;
	return error ? -error : (ssize_t)fault_cut(size);
}

void
stats_clients_on_close(void)
{
	expect(state.accepted && state.sent, "a stats client is closed without its text");
	state.accepted = false;
}

uint32_t
stats_clients_readiness(void)
{
	return state.waiting > 0 ? EPOLLIN : 0;
}

void
stats_clients_on_iteration(void)
{
	expect(!state.accepted, "a stats client stays open");
	if (state.listen_fd < 0)
		return;
	if (state.waiting == 0 && random_one_in(state.clients.one_in)) {
		state.moved_awake = clock_awake();
		state.waiting = (uint32_t)random_scale(1, 20);
		epoll_wake(state.listen_fd);
	}
	expect(state.waiting == 0 || clock_awake() - state.moved_awake <= LATE,
	        "%u stats clients wait and none is served", state.waiting);
}

void
stats_clients_end(void)
{
	expect(!state.bound, "the stats socket's file stays");
	expect(!state.accepted, "a stats client is left open");
}
