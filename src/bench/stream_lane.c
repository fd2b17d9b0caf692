/*
 * Messages over TCP: a stream without headers, in which every byte's place says which message it is
 * of. Whatever is due goes out in one call, whatever is there is taken in one and checked against
 * the payload with one memcmp.
 */
#include "echod/bench/lane.h"

#include "echod/common/clock.h"
#include "echod/tools/dial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCRATCH_SIZE = 256 * 1024 };

/* Messages that began together. */
struct volley {
	uint64_t started_ns;
	uint64_t count;
};

struct stream {
	struct lane lane;
	uint64_t origin;    /* of the stream in the payload */
	uint64_t sent;      /* bytes */
	uint64_t unsent;    /* bytes of messages that have begun */
	uint64_t received;  /* bytes */
	size_t missing;     /* bytes of the message that comes back now */
	bool spoilt;        /* one of those before was wrong */
	uint64_t settled;   /* messages */
	uint64_t left;      /* messages that may begin: in a session, of its connection */
	uint64_t since_ns;  /* the last began, or the end of a session */
	bool closing;       /* we have sent FIN, the peer's is awaited */
	size_t first, next; /* volleys: a ring of depth */
	struct volley volleys[];
};

static struct stream *
stream_of(struct lane *lane)
{
	return (struct stream *)(void *)lane;
}

static size_t
stream_size(const struct traffic *traffic)
{
	size_t volleys = traffic->open_loop ? 0 : traffic->depth;

	return sizeof(struct stream) + volleys * sizeof(struct volley);
}

static int
stream_prepare(struct traffic *traffic)
{
	traffic->scratch_size = SCRATCH_SIZE;
	traffic->scratch = malloc(SCRATCH_SIZE);
	return traffic->scratch ? 0 : -ENOMEM;
}

static void
stream_end(struct lane *lane)
{
	if (!lane->open)
		return;
	dial_add_tcp_info(lane->io.fd, &lane->traffic->tcp);
	traffic_lost(lane->traffic, lane->pending);
	lane->pending = 0;
	lane->open = false;
	ev_io_stop(lane->traffic->loop, &lane->io);
	close(lane->io.fd);
	if (lane->traffic->per_connection > 0)
		traffic_forgone(lane->traffic, stream_of(lane)->left);
	if (lane->traffic->on_end)
		lane->traffic->on_end(lane->traffic->owner, lane);
}

static void
break_off(struct stream *stream, int error)
{
	struct traffic *traffic = stream->lane.traffic;

	traffic_trouble(traffic, error);
	traffic->n_broken++;
	stream_end(&stream->lane);
}

static void
flush(struct stream *stream)
{
	const struct payload *payload = &stream->lane.traffic->payload;

	while (stream->unsent > 0) {
		size_t length = stream->unsent < PAYLOAD_SPAN ? stream->unsent : PAYLOAD_SPAN;
		const unsigned char *bytes = payload_at(payload, stream->origin + stream->sent);
		ssize_t n = send(stream->lane.io.fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			break_off(stream, -errno);
			return;
		}
		if (n > 0) {
			stream->sent += (uint64_t)n;
			stream->unsent -= (uint64_t)n;
		}
		if (n < (ssize_t)length)
			break;
	}
	lane_await(&stream->lane, stream->unsent > 0);
}

static void
flush_if_ready(struct stream *stream)
{
	if (stream->unsent > 0 && !(stream->lane.io.events & EV_WRITE))
		flush(stream);
}

static void
begin(struct stream *stream, uint64_t now_ns)
{
	struct traffic *traffic = stream->lane.traffic;
	uint64_t count = traffic->depth - stream->lane.pending;

	if (count > traffic->budget)
		count = traffic->budget;
	if (count > stream->left)
		count = stream->left;
	if (count == 0 || !traffic->running || traffic->open_loop)
		return;
	stream->volleys[stream->next] = (struct volley){now_ns, count};
	stream->next = stream->next + 1 == traffic->depth ? 0 : stream->next + 1;
	stream->lane.pending += count;
	stream->unsent += count * traffic->size;
	traffic_begun(traffic, count);
	stream->since_ns = now_ns;
	if (traffic->per_connection > 0) {
		stream->left -= count;
		traffic->promised -= count;
	}
}

/* Ends a session, all of whose messages are back: half, and the other half is the peer's. */
static void
close_if_done(struct stream *stream, uint64_t now_ns)
{
	if (stream->lane.traffic->per_connection == 0 || !stream->lane.open || stream->closing ||
	        stream->lane.pending > 0)
		return;
	stream->closing = true;
	stream->since_ns = now_ns;
	if (shutdown(stream->lane.io.fd, SHUT_WR) < 0)
		break_off(stream, -errno);
}

static void
credit(struct traffic *traffic, uint64_t started_ns, uint64_t now_ns, uint64_t count, bool right)
{
	if (right)
		traffic_echoed(traffic, started_ns, now_ns, count);
	else
		traffic_corrupted(traffic, count);
}

/* This many messages have come back whole, and all of them right or wrong. */
static void
settle(struct stream *stream, uint64_t count, uint64_t now_ns, bool right)
{
	struct traffic *traffic = stream->lane.traffic;

	stream->lane.pending -= count;
	for (; traffic->open_loop && count > 0; count--) {
		uint64_t k = stream->settled++ * traffic->n_lanes + stream->lane.index;

		credit(traffic, schedule_due_ns(&traffic->schedule, k), now_ns, 1, right);
	}
	while (count > 0) {
		struct volley *volley = &stream->volleys[stream->first];
		uint64_t n = count < volley->count ? count : volley->count;

		credit(traffic, volley->started_ns, now_ns, n, right);
		count -= n;
		volley->count -= n;
		if (volley->count == 0)
			stream->first = stream->first + 1 == traffic->depth ? 0 : stream->first + 1;
	}
}

/* Message by message, because some byte is wrong or an earlier one was. */
static void
take_slowly(struct stream *stream, size_t length, uint64_t now_ns)
{
	struct traffic *traffic = stream->lane.traffic;
	const unsigned char *bytes = traffic->scratch;

	while (length > 0) {
		size_t piece = length < stream->missing ? length : stream->missing;
		uint64_t position = stream->origin + stream->received;

		if (payload_compare(&traffic->payload, position, bytes, piece) < piece)
			stream->spoilt = true;
		bytes += piece;
		length -= piece;
		stream->received += piece;
		stream->missing -= piece;
		if (stream->missing > 0)
			continue;
		settle(stream, 1, now_ns, !stream->spoilt);
		stream->missing = traffic->size;
		stream->spoilt = false;
	}
}

static void
take(struct stream *stream, size_t length, uint64_t now_ns)
{
	struct traffic *traffic = stream->lane.traffic;
	uint64_t position = stream->origin + stream->received, count = 1;

	if (stream->spoilt ||
	        payload_compare(&traffic->payload, position, traffic->scratch, length) < length) {
		take_slowly(stream, length, now_ns);
		return;
	}
	stream->received += length;
	if (length < stream->missing) {
		stream->missing -= length;
		return;
	}
	length -= stream->missing;
	stream->missing = traffic->size;
	if (length > 0) {
		count += length / traffic->size;
		stream->missing -= length % traffic->size;
	}
	settle(stream, count, now_ns, true);
}

static void
receive(struct stream *stream)
{
	struct traffic *traffic = stream->lane.traffic;
	ssize_t n = recv(stream->lane.io.fd, traffic->scratch, traffic->scratch_size, MSG_DONTWAIT);
	uint64_t now_ns;

	if (n == 0 && stream->closing) {
		histogram_record(&traffic->close_ns, clock_now_ns() - stream->since_ns, 1);
		stream_end(&stream->lane);
		return;
	}
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			break_off(stream, n == 0 ? -EPIPE : -errno);
		return;
	}
	if (stream->received + (uint64_t)n > stream->sent) { /* more than was ever sent */
		traffic->counts.corrupted++;
		break_off(stream, -EBADMSG);
		return;
	}
	now_ns = clock_now_ns();
	take(stream, (size_t)n, now_ns);
	begin(stream, now_ns);
	flush_if_ready(stream);
	close_if_done(stream, now_ns);
}

static void
stream_on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct stream *stream = (struct stream *)(void *)io;

	(void)loop;
	if (revents & EV_READ)
		receive(stream);
	if (stream->lane.open && (revents & EV_WRITE))
		flush(stream);
}

static int
stream_start(struct lane *lane, struct traffic *traffic, uint64_t index, int peer_fd)
{
	struct stream *stream = stream_of(lane);

	*stream = (struct stream){
	        .lane = {.traffic = traffic, .index = index, .open = true},
	        .origin = payload_position(index),
	        .missing = traffic->size,
	        .left = traffic->per_connection > 0 ? traffic->per_connection : UINT64_MAX,
	};
	ev_io_init(&lane->io, stream_on_io, peer_fd, EV_READ);
	ev_io_start(traffic->loop, &lane->io);
	return 0;
}

static void
stream_pump(struct lane *lane)
{
	uint64_t now_ns = clock_now_ns();

	begin(stream_of(lane), now_ns);
	flush_if_ready(stream_of(lane));
	close_if_done(stream_of(lane), now_ns);
}

static void
stream_add(struct lane *lane)
{
	lane->pending++;
	stream_of(lane)->unsent += lane->traffic->size;
	traffic_begun(lane->traffic, 1);
}

/* TCP itself tries again; but a session must end for others to begin. */
static void
stream_tick(struct lane *lane, uint64_t now_ns)
{
	const struct traffic *traffic = lane->traffic;

	if (traffic->per_connection > 0 && now_ns > stream_of(lane)->since_ns + traffic->timeout_ns)
		break_off(stream_of(lane), -ETIMEDOUT);
}

const struct lane_kind stream_lane = {
        .size = stream_size,
        .prepare = stream_prepare,
        .start = stream_start,
        .pump = stream_pump,
        .add = stream_add,
        .tick = stream_tick,
        .end = stream_end,
};
