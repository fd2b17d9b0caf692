#include "echod/connection_begin.h"

#include <errno.h>

/* Whether connections from there begin with a PROXY header. */
static bool
is_proxy(const struct connections_config *config, const struct address *peer)
{
	struct in6_addr address;

	if (!address_as_ipv6(peer, &address))
		return config->unix_proxies && peer->any.sa_family == AF_UNIX;
	for (size_t i = 0; i < config->n_proxies; i++)
		if (prefix_contains(&config->proxies[i], &address))
			return true;
	return false;
}

/* Takes the header: from here on the connection is its client's. Returns as echo_take_header(), or
 * -EDQUOT. */
static int
take_header(struct connections *all, struct connection *c)
{
	struct proxy_header header;
	int error = echo_take_header(&all->echo, c, &header);
	struct address client = {.length = sizeof(client.in6)};
	struct detail *detail;

	if (error || !all->details)
		return error;
	detail = &all->details[pool_index(&all->slots, c)];
	if (header.has_source) {
		client = address_from_ipv6(&header.source);
		address_set_port(&client, header.port);
		detail->peer.in6 = client.in6;
	}
	client.in6 = detail->peer.in6;
	return all->sources ? source_limit_connect(all->sources, &client, &detail->source) : 0;
}

static void
connection_on_header(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct connections *all = ev_userdata(loop);
	struct connection *c = (struct connection *)watcher;
	int result = (events & EV_ERROR) ? -EIO : take_header(all, c);

	/* epoll would report a part of the header without end: the sweep looks again */
	ev_io_stop(loop, watcher);
	if (!result)
		connection_wait(all, c, watcher->fd);
	else if (result != -EAGAIN)
		connection_close(all, c, connection_close_reason(result));
}

bool
connection_awaits_header(const struct connection *c)
{
	return c->watcher.cb == connection_on_header;
}

void
connection_await_header(struct connection *c)
{
	ev_set_cb(&c->watcher, connection_on_header);
}

bool
connection_check_header(struct connections *all, struct connection *c, bool late)
{
	if (!late) {
		ev_io_start(all->config.loop, &c->watcher);
		return false;
	}
	connection_on_header(all->config.loop, &c->watcher, EV_READ);
	if (c->open && connection_awaits_header(c))
		connection_close(all, c, CLOSE_PROXY);
	return !c->open;
}

int
connection_open(struct connections *all, int peer_fd, const struct address *peer)
{
	bool from_proxy = is_proxy(&all->config, peer);
	uint32_t source = SOURCE_LIMIT_NONE;
	struct connection *c;

	if (all->sources && !from_proxy && source_limit_connect(all->sources, peer, &source) < 0)
		return -EDQUOT;
	if (connections_full(all)) {
		source_limit_disconnect(all->sources, source);
		return -ENOBUFS;
	}
	c = connection_take_slot(all, peer, source, 0);
	connection_wait(all, c, peer_fd);
	if (from_proxy)
		connection_await_header(c);
	all->config.stats->tcp_accepted++;
	all->config.stats->tcp_open++;
	return 0;
}
