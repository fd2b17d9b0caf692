#include "connected.h"

#include "test.h"

#include <sys/eventfd.h>

struct ev_loop *loop;
struct stats stats;
struct connections *connections;
int closed;
const struct address peer = {.length = sizeof(struct sockaddr_in),
        .in4 = {.sin_family = AF_INET, .sin_addr = {.s_addr = 0x0100007f}}};

static void
on_closed(void *owner)
{
	assert_ptr_equal(owner, &closed);
	closed++;
}

void
connected_begin_as(struct connections_config config)
{
	config.loop = loop;
	config.limit = LIMIT;
	config.ring_size = RING;
	config.stats = &stats;
	config.on_closed = on_closed;
	config.owner = &closed;
	kernel_reset();
	closed = 0;
	stats = (struct stats){0};
	connections = connections_new(&config);
	assert_non_null(connections);
}

void
connected_begin(uint32_t rings, uint64_t source_limit)
{
	connected_begin_as((struct connections_config){
	        .ring_memory = (size_t)rings * RING, .source_limit = source_limit});
}

struct connection *
connected_open(void)
{
	uint32_t index = connections_slots(connections);
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_true(fd >= 0);
	assert_int_equal(connection_open(connections, fd, &peer), 0);
	return connections_at(connections, index);
}

void
connected_end(void)
{
	assert_int_equal(connections_rings_lent(connections), 0);
	assert_int_equal(connections_open_now(connections), stats.tcp_open);
	connections_free(connections);
	assert_int_equal(stats.tcp_open, 0);
}

void
connected_iterate(struct connection *c, int events)
{
	int waited_for = echo_interest(c);

	assert_true(c->open);
	assert_int_equal(c->watcher.events & (EV_READ | EV_WRITE), waited_for);
	assert_true(ev_is_active(&c->watcher));
	assert_true(waited_for != 0);
	if (events & waited_for)
		ev_invoke(loop, &c->watcher, events & waited_for);
}

int
connected_loop_up(void **state)
{
	(void)state;
	loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	return loop ? 0 : -1;
}

int
connected_loop_down(void **state)
{
	(void)state;
	ev_loop_destroy(loop);
	return 0;
}
