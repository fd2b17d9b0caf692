#include "entrance.h"

#include "doors.h"
#include "fake_clock.h"
#include "test.h"

struct entrance entrance;

static void
on_closed(void *owner)
{
	assert_ptr_equal(owner, &entrance);
	if (entrance.acceptor)
		acceptor_on_room(entrance.acceptor);
}

static void
on_opened(void *owner)
{
	assert_ptr_equal(owner, &entrance);
	entrance.opened++;
	fake_clock_ns += entrance.opening_takes_ns;
}

static struct connection *
any_open(void)
{
	for (uint32_t i = 0; i < connections_slots(entrance.connections); i++)
		if (connections_at(entrance.connections, i)->open)
			return connections_at(entrance.connections, i);
	fail_msg("nobody is in");
	return NULL;
}

void
leave(void)
{
	connection_close(entrance.connections, any_open(), CLOSE_EOF);
}

static bool
make_room(void *owner)
{
	assert_ptr_equal(owner, &entrance);
	entrance.rooms_asked++;
	if (entrance.gives_way)
		connection_close(entrance.connections, any_open(), CLOSE_FULL);
	return entrance.gives_way;
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
	        .make_room = make_room,
	        .on_opened = on_opened,
	        .owner = &entrance};
	struct listeners listeners;

	size_t count = setting->doors ? setting->doors : 1;

	doors_open(count + setting->others);
	if (setting->first_is_datagram)
		doors.listeners[0].type = SOCK_DGRAM;
	entrance = (struct entrance){.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV)};
	assert_non_null(entrance.loop);
	connections.loop = config.loop = entrance.loop;
	config.connections = entrance.connections = connections_new(&connections);
	assert_non_null(entrance.connections);
	listeners = (struct listeners){doors.listeners, count};
	entrance.acceptor = acceptor_new(&config, &listeners);
	assert_non_null(entrance.acceptor);
}

void
turn(void)
{
	ev_run(entrance.loop, EVRUN_NOWAIT);
}

void
turns(size_t count)
{
	while (count-- > 0)
		turn();
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
	doors_close();
	assert_false(ev_run(entrance.loop, EVRUN_NOWAIT)); /* no watcher is left active */
	ev_loop_destroy(entrance.loop);
}
