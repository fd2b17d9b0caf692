#include "entrance.h"

#include "fake_clock.h"
#include "scripted_listeners.h"
#include "test.h"

struct entrance entrance;

void __wrap_sweep_wake(struct sweep *sweep);
bool __wrap_sweep_can_free_slot(struct sweep *sweep);
void __wrap_sweep_end_delivered(struct sweep *sweep);
void __wrap_sweep_free_slot(struct sweep *sweep);

static void
on_closed(void *owner)
{
	assert_ptr_equal(owner, &entrance);
	if (entrance.acceptor)
		acceptor_on_room(entrance.acceptor);
}

void
__wrap_sweep_wake(struct sweep *sweep)
{
	assert_ptr_equal(sweep, &entrance);
	entrance.opened++;
	fake_clock_ns += entrance.opening_takes_ns;
}

static struct connection *
any_open(void)
{
	for (uint32_t i = 0; i < connections_slots(entrance.connections); i++)
		if (connections_at(entrance.connections, i)->open)
			return connections_at(entrance.connections, i);
	fail_msg("no connection is open");
	return NULL;
}

void
leave(void)
{
	connection_close(entrance.connections, any_open(), CLOSE_EOF);
}

bool
__wrap_sweep_can_free_slot(struct sweep *sweep)
{
	assert_ptr_equal(sweep, &entrance);
	entrance.evictions_asked++;
	return entrance.evicts;
}

void
__wrap_sweep_end_delivered(struct sweep *sweep)
{
	assert_ptr_equal(sweep, &entrance);
	for (; entrance.delivered > 0; entrance.delivered--)
		leave();
}

void
__wrap_sweep_free_slot(struct sweep *sweep)
{
	assert_ptr_equal(sweep, &entrance);
	assert_true(entrance.evicts);
	connection_close(entrance.connections, any_open(), CLOSE_FULL);
}

void
open_up(const struct setting *setting)
{
	struct connections_config connections = {.limit = setting->limit ? setting->limit : 1000,
	        .ring_size = 4096,
	        .source_limit = setting->source_limit,
	        .stats = &entrance.stats,
	        .on_closed = on_closed,
	        .owner = &entrance};
	struct acceptor_config config = {.stats = &entrance.stats,
	        .rate = setting->rate,
	        .sweep = (struct sweep *)&entrance};
	struct listeners listeners;
	size_t count = setting->listeners ? setting->listeners : 1;

	scripted_open(count + setting->others);
	if (setting->first_is_datagram)
		scripted.listeners[0].type = SOCK_DGRAM;
	entrance = (struct entrance){.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV)};
	assert_non_null(entrance.loop);
	connections.loop = config.loop = entrance.loop;
	config.connections = entrance.connections = connections_new(&connections);
	assert_non_null(entrance.connections);
	listeners = (struct listeners){.all = scripted.listeners, .count = count};
	entrance.acceptor = acceptor_new(&config, &listeners);
	assert_non_null(entrance.acceptor);
}

void
iterate(void)
{
	ev_run(entrance.loop, EVRUN_NOWAIT);
}

void
iterate_times(size_t count)
{
	while (count-- > 0)
		iterate();
}

void
pass(uint64_t time_ms)
{
	fake_clock_ns += time_ms * NS_PER_MS;
}

void
close_up(void)
{
	struct acceptor *acceptor = entrance.acceptor;

	assert_int_equal(connections_open_now(entrance.connections),
	        entrance.opened - entrance.stats.tcp_closed_eof - entrance.stats.tcp_closed_full);
	entrance.acceptor = NULL;
	acceptor_free(acceptor);
	connections_free(entrance.connections);
	scripted_close();
	assert_false(ev_run(entrance.loop, EVRUN_NOWAIT)); /* no watcher is left active */
	ev_loop_destroy(entrance.loop);
}
