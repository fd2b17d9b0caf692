#include "echod/connection_state.h"

#include "echod/connection_begin.h"

#include <sys/socket.h>

static void
save_connection(const struct connections *all, uint32_t index, struct handover_writer *writer)
{
	const struct connection *c = pool_at(&all->slots, index);
	const struct delivery *delivery = &all->deliveries[index];
	const struct ring *ring = c->watcher.data;
	struct handover_connection saved = {
	        .peer_fd = c->watcher.fd,
	        .flags = (c->finished || c->lingers ? HANDOVER_FINISHED : 0) |
	                 (c->blocked ? HANDOVER_BLOCKED : 0) |
	                 (connection_awaits_header(c) ? HANDOVER_AWAITS_HEADER : 0),
	        .sent = c->sent,
	        .active_at = c->active_at,
	        .acked = delivery->acked,
	        .waiting_since = delivery->waiting_since,
	};
	struct handover_span spans[2] = {0};

	if (all->details) {
		saved.opened_ns = all->details[index].opened_ns;
		saved.peer = all->details[index].peer.in6;
	}
	if (ring) {
		spans[0].bytes = ring_used_span(ring, &spans[0].size);
		spans[1].bytes = ring->bytes;
		spans[1].size = ring->used - spans[0].size;
	}
	handover_write(writer, HANDOVER_CONNECTION, &saved, spans, 2);
}

void
connections_save(const struct connections *all, struct handover_writer *writer)
{
	for (uint32_t i = 0; i < all->slots.fresh; i++)
		if (((const struct connection *)pool_at(&all->slots, i))->open)
			save_connection(all, i, writer);
}

void
connection_restore(struct connections *all, const struct handover_record *record)
{
	const struct handover_connection *saved = &record->connection;
	struct address peer = {.length = sizeof(peer.storage), .in6 = saved->peer};
	bool awaits_header = saved->flags & HANDOVER_AWAITS_HEADER;
	uint32_t source = SOURCE_LIMIT_NONE;
	struct connection *c;

	if (all->details && peer.any.sa_family == AF_UNSPEC)
		getpeername(saved->peer_fd, &peer.any, &peer.length);
	if (all->sources && !awaits_header)
		source = source_limit_restore(all->sources, &peer);
	c = connection_take_slot(all, &peer, source, saved->opened_ns);
	c->sent = saved->sent;
	c->active_at = saved->active_at;
	c->finished = saved->flags & HANDOVER_FINISHED;
	c->blocked = saved->flags & HANDOVER_BLOCKED;
	all->deliveries[pool_index(&all->slots, c)] =
	        (struct delivery){saved->acked, saved->waiting_since};
	if (record->tail_size > 0)
		echo_restore(&all->echo, c, record->tail, record->tail_size);
	else if (c->finished)
		connection_linger(all, c);
	connection_wait(all, c, saved->peer_fd);
	if (awaits_header)
		connection_await_header(c);
}
