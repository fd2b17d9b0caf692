#include "peers.h"

#include "clock.h"
#include "headers.h"
#include "random.h"
#include "scenario.h"
#include "sources.h"
#include "trace.h"
#include "waiting.h"

#include <stddef.h>
#include <stdio.h>

enum behaviour {
	POLITE,   /* sends, takes everything back, finishes, waits for the end */
	SLOW,     /* takes it a byte at a time */
	STOPPED,  /* stops reading */
	SILENT,   /* connects, no more */
	RESETTER, /* resets in the middle */
	LEAVER,   /* closes in the middle */
	VANISHER, /* is gone without a FIN or RST */
	N_BEHAVIOURS,
};

enum state {
	AWAY,
	CONNECTED,
	DONE, /* as far as the peer is concerned; the daemon may not know yet */
};

struct peer {
	struct stream stream;
	unsigned char header[HEADERS_SIZE];
	enum behaviour behaviour;
	enum state state;
	uint64_t goal; /* bytes to send */
	uint64_t cut;  /* bytes sent at which bad behaviour begins */
	bool late;     /* finishes only after everything has come back */
	bool awake;    /* may have something to do, and is in the list of those */
};

static struct {
	struct peer all[PEERS_MOST];
	uint32_t n;
	uint32_t awake[PEERS_MOST], n_awake;
	uint32_t connections; /* still to be made */
	uint32_t made;
	uint32_t filling; /* newcomers that stay until all have had an answer */
	bool settled;
} state;

static void
wake(struct peer *peer)
{
	if (peer->awake)
		return;
	peer->awake = true;
	state.awake[state.n_awake++] = (uint32_t)(peer - state.all);
}

static void
wake_all(void)
{
	for (uint32_t i = 0; i < state.n; i++)
		wake(&state.all[i]);
}

void
stream_on_moved(struct stream *stream)
{
	wake((struct peer *)((char *)stream - offsetof(struct peer, stream)));
}

static void
start_with(uint32_t peers, uint32_t connections)
{
	state.n = peers;
	state.connections = connections;
	state.n_awake = 0;
	for (uint32_t i = 0; i < peers; i++)
		state.all[i] = (struct peer){.state = AWAY, .stream.peer_fd = -1};
	wake_all();
}

void
peers_begin(uint32_t peers, uint32_t connections)
{
	state.made = state.filling = 0;
	state.settled = false;
	start_with(peers, connections);
}

uint32_t
peers_count(void)
{
	return state.n;
}

static void
connect_to(struct peer *peer, struct waiting *waiting)
{
	uint32_t number = state.made++;
	uint64_t smallest;

	*peer = (struct peer){
	        .awake = true,
	        .behaviour = random_one_in(2) ? POLITE : (enum behaviour)random_below(N_BEHAVIOURS),
	        .state = CONNECTED,
	        .late = random_one_in(2),
	        .stream = {.number = number,
	                .peer_fd = -1,
	                .from = sources_address(number, waiting->family),
	                .header = peer->header,
	                .receive_room = random_scale(1, 65536),
	                .send_room = random_scale(1, 65536),
	                .window = random_scale(1, 65536)},
	};
	if (scenario_now()->proxies && headers_from_proxy(&peer->stream.from))
		headers_make_up(&peer->stream, state.settled);
	smallest = peer->stream.receive_room < peer->stream.send_room ? peer->stream.receive_room
	                                                              : peer->stream.send_room;
	peer->goal = random_scale(1, 1 + 64 * smallest) - 1;
	peer->cut = random_below(peer->goal + 1);
	if (state.settled) {
		peer->behaviour = POLITE;
		peer->goal = 1 + random_below(64);
		peer->late = true;
		stream_peer_writes_header(&peer->stream, peer->stream.header_stop);
	}
	trace("connect", number, (int64_t)peer->behaviour, (int64_t)peer->goal);
	state.connections--;
	if (!waiting_enter(waiting, &peer->stream)) {
		state.connections++;
		peer->state = AWAY;
	}
}

static void
come(struct peer *peer)
{
	struct waiting *listeners[LISTENERS_MOST];
	uint32_t n = waiting_listeners(listeners);

	if (state.connections == 0)
		return;
	if (n == 0) /* connection refused */
		state.connections--;
	else
		connect_to(peer, listeners[random_below(n)]);
}

static void
end(struct peer *peer)
{
	trace("end", peer->stream.number, (int64_t)peer->stream.taken, peer->stream.reset);
	peer->state = DONE;
}

/* Bad behaviour, once the time for it has come. Returns whether it leaves nothing else to do. */
static bool
misbehave(struct peer *peer)
{
	struct stream *s = &peer->stream;

	if (s->written < peer->cut)
		return false;
	switch (peer->behaviour) {
	case RESETTER:
		stream_peer_resets(s);
		end(peer);
		return true;
	case LEAVER:
		stream_peer_closes(s);
		end(peer);
		return true;
	case VANISHER:
		if (random_one_in(64)) { /* keepalive notices */
			stream_times_out(s);
			end(peer);
		}
		return true;
	case POLITE:
	case SLOW:
	case STOPPED:
	case SILENT:
	case N_BEHAVIOURS:
		break;
	}
	return false;
}

static bool
may_finish(const struct peer *peer)
{
	const struct stream *s = &peer->stream;

	return !s->fin && (!peer->late || s->taken == s->written) && state.filling == 0;
}

static bool
takes_more(const struct peer *peer)
{
	return peer->behaviour != STOPPED || peer->stream.taken < peer->cut;
}

static void
write_some(struct peer *peer)
{
	struct stream *s = &peer->stream;
	uint64_t left = peer->goal - s->written;

	if (left > 0)
		stream_peer_writes(s, random_one_in(2) ? left : random_scale(1, left));
	else if (may_finish(peer))
		stream_peer_finishes(s);
}

/* Returns whether the header leaves nothing else to do: it comes whole, in pieces, or not. */
static bool
write_header(struct peer *peer)
{
	struct stream *s = &peer->stream;
	uint32_t left = s->header_stop - s->header_written;

	if (left > 0 && (!peer->late || random_one_in(8)))
		stream_peer_writes_header(
		        s, random_one_in(2) ? left : (uint32_t)random_scale(1, left));
	return s->header_written < s->header_size;
}

static void
act(struct peer *peer)
{
	struct stream *s = &peer->stream;

	if (stream_at_end(s)) {
		expect(s->reset || !s->fin || s->taken == s->written,
		        "peer %u sent %llu bytes and FIN, and got %llu bytes and FIN", s->number,
		        (unsigned long long)s->written, (unsigned long long)s->taken);
		end(peer);
	} else if (peer->behaviour == SILENT || misbehave(peer) || write_header(peer) ||
	           (random_one_in(3) && stream_peer_acknowledges(s))) {
		return;
	} else if (random_one_in(2)) {
		write_some(peer);
	} else if (takes_more(peer)) {
		stream_peer_reads(s, peer->behaviour == SLOW ? 1 + random_below(3)
		                                             : random_scale(1, s->send_room));
	}
}

/* Whether it has nothing to do before the daemon does something: act() would change nothing. */
static bool
has_to_wait(const struct peer *peer)
{
	const struct stream *s = &peer->stream;

	if (peer->state == AWAY)
		return state.connections == 0;
	if (peer->state == DONE)
		return !s->closed;
	if (stream_at_end(s))
		return false;
	if (peer->behaviour == SILENT)
		return true;
	if (peer->behaviour >= RESETTER && s->written >= peer->cut)
		return false;
	if (s->header_written < s->header_size)
		return s->header_written == s->header_stop;
	if (s->written < peer->goal ? stream_peer_room(s) > 0 : may_finish(peer))
		return false;
	if (stream_peer_can_acknowledge(s))
		return false;
	return s->acked == s->taken || !takes_more(peer);
}

uint32_t
peers_awake(void)
{
	return state.n_awake;
}

void
peers_step(void)
{
	uint32_t *place = &state.awake[random_below(state.n_awake)];
	struct peer *peer = &state.all[*place];

	/* a peer that is done comes again when the daemon is done with it, too */
	if (peer->state == DONE && peer->stream.closed)
		peer->state = AWAY;
	if (peer->state == AWAY)
		come(peer);
	else if (peer->state == CONNECTED)
		act(peer);
	if (has_to_wait(peer)) {
		peer->awake = false;
		*place = state.awake[--state.n_awake];
	}
}

void
peers_settle(void)
{
	state.connections = 0;
	state.settled = true;
	wake_all();
	for (uint32_t i = 0; i < state.n; i++) {
		struct peer *peer = &state.all[i];

		if (peer->state != CONNECTED)
			continue;
		peer->stream.window = 65536; /* not a byte at a time any more */
		if (peer->behaviour == VANISHER && peer->stream.written >= peer->cut) {
			stream_times_out(&peer->stream);
			end(peer);
		} else if (!peer->stream.fin) {
			peer->goal = peer->stream.written + random_below(64);
		}
		peer->behaviour = POLITE;
	}
}

void
peers_fill(uint32_t connections)
{
	state.filling = connections;
	start_with(connections, connections);
}

bool
peers_filled(void)
{
	if (state.connections > 0)
		return false;
	for (uint32_t i = 0; i < state.n; i++)
		if (state.all[i].state == AWAY ||
		        (state.all[i].state == CONNECTED && state.all[i].stream.taken == 0))
			return false;
	state.filling = 0;
	wake_all();
	return true;
}

bool
peers_done(void)
{
	if (state.connections > 0)
		return false;
	for (uint32_t i = 0; i < state.n; i++)
		if (state.all[i].state == CONNECTED ||
		        (state.all[i].state == DONE && !state.all[i].stream.closed))
			return false;
	return true;
}

const char *
peers_explain(void)
{
	static char text[256];

	for (uint32_t i = 0; i < state.n; i++) {
		const struct peer *peer = &state.all[i];
		const struct stream *s = &peer->stream;

		if (peer->state == AWAY || (peer->state == DONE && s->closed))
			continue;
		snprintf(text, sizeof(text),
		        "peer %u on descriptor %d: wrote %llu%s of %llu, read by the daemon %llu, "
		        "sent %llu, taken %llu",
		        s->number, s->peer_fd, (unsigned long long)s->written,
		        s->fin ? " and FIN" : "", (unsigned long long)peer->goal,
		        (unsigned long long)s->read, (unsigned long long)s->sent,
		        (unsigned long long)s->taken);
		return text;
	}
	return "all peers are done";
}
