#include "notify.h"

#include "clock.h"
#include "faults.h"
#include "oracle.h"
#include "random.h"
#include "scenario.h"
#include "trace.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define LATE           (400 * MS) /* for what is due; an iteration counts as 100 ms at most */
#define RETRY          (100 * MS)
#define STATUS_TIME    S
#define STOP_MARGIN_US 5000000

/* Times are those of clock_awake(). */
static struct {
	struct notify notify;
	uint64_t drain_ms;       /* 0 until it is asked to stop */
	bool tried_ready, ready; /* READY=1 has been sent; and taken */
	bool tried_stopping, stopping;
	uint64_t beat, refused; /* the last sign of life; of one that is owed again, or 0 */
	uint64_t changed;       /* the connections, or the last refusal of their number */
	uint32_t told;          /* connections, in the last STATUS= */
	uint64_t reloaded;      /* the iteration of the last reload */
} state;

void
notify_begin(const struct notify *notify)
{
	memset(&state, 0, sizeof(state));
	state.notify = *notify;
}

const struct notify *
notify_now(void)
{
	return &state.notify;
}

static void
check_address(const struct sockaddr *to, socklen_t length)
{
	const struct sockaddr_un *manager = (const struct sockaddr_un *)to;
	const char *path = state.notify.path;
	bool abstract = path[0] == '@';
	size_t size = strlen(path) + !abstract;

	expect(length == offsetof(struct sockaddr_un, sun_path) + size &&
	                manager->sun_family == AF_UNIX &&
	                manager->sun_path[0] == (abstract ? '\0' : path[0]) &&
	                memcmp(manager->sun_path + 1, path + 1, size - 1) == 0,
	        "a message goes elsewhere than to $NOTIFY_SOCKET");
}

static bool
is_there(void)
{
	const char *path = state.notify.path;

	return path && (path[0] == '/' || path[0] == '@');
}

static void
on_ready(bool again)
{
	expect(!state.ready, "READY=1 is told twice");
	state.tried_ready = true;
	state.ready = !again;
}

static void
on_watchdog(void)
{
	expect((state.ready || state.stopping) && state.notify.watchdog_us > 0,
	        "WATCHDOG=1 was not asked for");
}

static void
on_stopping(const char *text, bool again)
{
	unsigned long long extend = 0;
	uint32_t connections = 0;

	expect(sscanf(text,
	               "STOPPING=1\nSTATUS=Stopping: %u connections to finish\n"
	               "EXTEND_TIMEOUT_USEC=%llu",
	               &connections, &extend) == 2,
	        "STOPPING=1 in another form: %s", text);
	expect(scenario_may_end() && !state.stopping, "STOPPING=1 and the daemon does not stop");
	expect(connections == oracle_open(), "%u connections to finish are told, not %u",
	        connections, oracle_open());
	expect(extend == state.drain_ms * 1000 + STOP_MARGIN_US, "EXTEND_TIMEOUT_USEC=%llu is told",
	        extend);
	state.tried_stopping = true;
	state.stopping = !again;
}

static void
on_status(const char *text, bool again)
{
	const char *stopping = state.tried_stopping ? "Stopping: " : "";
	uint32_t connections;

	expect(strncmp(text, stopping, strlen(stopping)) == 0 &&
	                sscanf(text + strlen(stopping), "%u connection", &connections) == 1,
	        "STATUS= in another form: %s", text);
	expect(connections == oracle_open(), "%u connections are told, not %u", connections,
	        oracle_open());
	if (again)
		state.changed = clock_awake();
	else
		state.told = connections;
}

/* It is not told again: READY=1 follows. */
static void
on_reloading(const char *text)
{
	unsigned long long us = 0;

	expect(sscanf(text, "WATCHDOG=1\nRELOADING=1\nMONOTONIC_USEC=%llu", &us) == 1 &&
	                us <= clock_now() / 1000,
	        "RELOADING=1 in another form: %s", text);
	state.ready = state.tried_ready = false;
	state.changed = clock_awake();
	state.reloaded = clock_iteration();
}

static void
on_message(const char *text, bool again)
{
	if (strncmp(text, "STATUS=", 7) == 0) {
		on_status(text + 7, again);
		return;
	}
	if (strncmp(text, "WATCHDOG=1\nRELOADING=1", 22) == 0) {
		on_reloading(text);
		again = false;
	} else if (strcmp(text, "READY=1") == 0)
		on_ready(again);
	else if (strcmp(text, "WATCHDOG=1") == 0)
		on_watchdog();
	else
		on_stopping(text, again);
	state.beat = clock_awake();
	state.refused = again ? state.beat : 0;
}

ssize_t
notify_send(const char *text, size_t size, int flags, const struct sockaddr *to, socklen_t length)
{
	int error = random_one_in(state.notify.full) ? EAGAIN : fault(CALL_NOTIFY);
	char copy[1024];

	expect(flags == (MSG_DONTWAIT | MSG_NOSIGNAL), "a message may wait, or bring SIGPIPE");
	expect(is_there(), "a message and $NOTIFY_SOCKET is %s", state.notify.path);
	expect(size < sizeof(copy), "a message of %zu bytes", size);
	check_address(to, length);
	memcpy(copy, text, size);
	copy[size] = '\0';
	trace_text("notify", copy);
	if (error == EINTR)
		return -EINTR;
	on_message(copy, error == EAGAIN || error == ENOBUFS);
	return error ? -error : (ssize_t)size;
}

void
notify_on_stop(uint64_t drain_ms)
{
	state.drain_ms = drain_ms;
}

void
notify_on_change(void)
{
	state.changed = clock_awake();
}

void
notify_on_iteration(void)
{
	uint64_t now = clock_awake();

	if (!is_there())
		return;
	expect(state.tried_ready || state.drain_ms > 0 || clock_iteration() <= state.reloaded + 1,
	        "READY=1 is not told");
	expect(state.refused == 0 || now - state.refused <= RETRY + LATE,
	        "a message that was refused does not come again");
	expect(!state.ready || state.notify.watchdog_us == 0 ||
	                now - state.beat <= state.notify.watchdog_us * 1000,
	        "no sign of life for %llu ms", (unsigned long long)((now - state.beat) / MS));
	expect(!state.ready || state.told == oracle_open() ||
	                now - state.changed <= STATUS_TIME + LATE,
	        "the status says %u connections, and %u are open", state.told, oracle_open());
}
