#include "crowd.h"

#include "fake_clock.h"
#include "test.h"

#include <sys/eventfd.h>

enum {
	STEP_MS = 10,
};

struct crowd crowd;

static void
on_closed(void *owner)
{
	assert_ptr_equal(owner, &crowd);
}

static void
on_evictable(void *owner)
{
	assert_ptr_equal(owner, &crowd);
	crowd.reports++;
}

void
crowd_gather(uint32_t limit, struct sweep_config timeouts)
{
	const struct connections_config connections = {
	        .loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV),
	        .limit = limit,
	        .ring_size = 4096,
	        .stats = &crowd.stats,
	        .on_closed = on_closed,
	        .owner = &crowd};
	struct sweep_config sweep = timeouts;

	sweep.loop = connections.loop;
	sweep.on_evictable = on_evictable;
	sweep.owner = &crowd;
	crowd = (struct crowd){.loop = connections.loop};
	assert_non_null(crowd.loop);
	crowd.connections = sweep.connections = connections_new(&connections);
	assert_non_null(crowd.connections);
	crowd.sweep = sweep_new(&sweep);
	assert_non_null(crowd.sweep);
}

void
crowd_disperse(void)
{
	connections_free(crowd.connections);
	sweep_free(crowd.sweep);
	assert_false(ev_run(crowd.loop, EVRUN_NOWAIT)); /* no watcher is left active */
	ev_loop_destroy(crowd.loop);
}

struct connection *
crowd_join(void)
{
	static const struct address nowhere = {.length = sizeof(sa_family_t)};
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(connection_open(crowd.connections, fd, &nowhere), 0);
	sweep_wake(crowd.sweep);
	for (uint32_t i = 0; i < connections_slots(crowd.connections); i++) {
		struct connection *c = connections_at(crowd.connections, i);

		if (c->open && c->watcher.fd == fd)
			return c;
	}
	fail_msg("no connection has come in");
	return NULL;
}

bool
crowd_evict(void)
{
	if (!sweep_can_free_slot(crowd.sweep))
		return false;
	sweep_free_slot(crowd.sweep);
	return true;
}

void
crowd_moves(struct connection *c)
{
	c->active_at = connections_now(crowd.connections);
}

void
crowd_pass(uint64_t time_ms)
{
	for (uint64_t passed = 0; passed < time_ms; passed += STEP_MS) {
		fake_clock_ns += STEP_MS * NS_PER_MS;
		ev_run(crowd.loop, EVRUN_NOWAIT);
	}
}

void
crowd_stop(uint64_t time_ms)
{
	fake_clock_ns += time_ms * NS_PER_MS;
	ev_run(crowd.loop, EVRUN_NOWAIT);
}
