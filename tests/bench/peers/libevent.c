/* An echo server as one writes it with libevent: bufferevents, and a high-water mark. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

enum { HIGH_WATER = 256 * 1024, BACKLOG = 4096 };

static void
on_readable(struct bufferevent *peer, void *context)
{
	(void)context;
	bufferevent_write_buffer(peer, bufferevent_get_input(peer));
	if (evbuffer_get_length(bufferevent_get_output(peer)) > HIGH_WATER)
		bufferevent_disable(peer, EV_READ);
}

static void
on_written(struct bufferevent *peer, void *context)
{
	(void)context;
	bufferevent_enable(peer, EV_READ);
}

static void
on_event(struct bufferevent *peer, short events, void *context)
{
	(void)context;
	if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		bufferevent_free(peer);
}

static void
on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
        int length, void *base)
{
	struct bufferevent *peer = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

	(void)listener;
	(void)from;
	(void)length;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	bufferevent_set_max_single_read(peer, HIGH_WATER);
	bufferevent_set_max_single_write(peer, HIGH_WATER);
	bufferevent_setcb(peer, on_readable, on_written, on_event, NULL);
	bufferevent_enable(peer, EV_READ | EV_WRITE);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct event_base *base = event_base_new();

	address.sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0"));
	if (!evconnlistener_new_bind(base, on_connection, base,
	            LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE, BACKLOG, (struct sockaddr *)&address,
	            sizeof(address)))
		return 1;
	return event_base_dispatch(base);
}
