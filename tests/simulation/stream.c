#include "stream.h"

#include "clock.h"
#include "epoll.h"
#include "faults.h"
#include "random.h"
#include "trace.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
	PERIOD = 65521, /* a prime: no ring's size and no page is a multiple of it */
	MOST_AT_ONCE = 1 << 20,
};

static unsigned char bytes[PERIOD + MOST_AT_ONCE];

void
stream_make_bytes(void)
{
	random_seed(PERIOD);
	for (size_t i = 0; i < PERIOD; i++)
		bytes[i] = (unsigned char)random_next();
	for (size_t i = PERIOD; i < sizeof(bytes); i++)
		bytes[i] = bytes[i - PERIOD];
}

/* At least MOST_AT_ONCE of the bytes that a stream carries from this offset on. */
static const unsigned char *
bytes_at(const struct stream *stream, uint64_t offset)
{
	return bytes + (offset + UINT64_C(40503) * stream->number) % PERIOD;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
stream_held(const struct stream *stream)
{
	return stream->read > stream->sent ? stream->read - stream->sent : 0;
}

/* What ends a connection is remembered: it is what the daemon may close it for. */
static ssize_t
tell(struct stream *stream, int error)
{
	if (error != EAGAIN && error != EINTR)
		stream->told = error;
	return -error;
}

static void
count_call(struct stream *stream, unsigned *calls, const char *call)
{
	if (stream->iteration != clock_iteration()) {
		stream->iteration = clock_iteration();
		stream->receives = stream->sends = 0;
	}
	++*calls;
	expect(stream->receives <= 1 && stream->sends <= 1,
	        "%s: a second one on descriptor %d in one iteration", call, stream->peer_fd);
}

/* The error that is pending is told once (SO_ERROR). */
static int
take_error(struct stream *stream)
{
	int error = stream->error;

	stream->error = 0;
	return error;
}

bool
stream_awaits_header(const struct stream *s)
{
	return s->header_due && (s->header_bad || s->header_read < s->header_size);
}

/* A look at the header, or the end of it: exactly its bytes are taken. */
static ssize_t
receive_header(struct stream *s, unsigned char *buffer, size_t size, int flags)
{
	uint64_t here = s->header_written - s->header_read, behind = s->written - s->read;
	size_t length = least(size, here + behind);

	if (flags & MSG_TRUNC) {
		expect(!s->header_bad && s->header_written == s->header_size && size <= here,
		        "descriptor %d: %zu bytes are taken, the header has %llu", s->peer_fd, size,
		        (unsigned long long)here);
		length = fault_cut(size);
		s->header_read += (uint32_t)length;
		return (ssize_t)length;
	}
	expect(flags & MSG_PEEK, "descriptor %d: recv before the header", s->peer_fd);
	s->header_stale = length == s->header_seen;
	s->header_seen = (uint32_t)length;
	memcpy(buffer, s->header + s->header_read, least(length, here));
	if (length > here)
		memcpy(buffer + here, bytes_at(s, s->read), length - here);
	return (ssize_t)length;
}

ssize_t
stream_receive(struct stream *s, void *buffer, size_t size, int flags)
{
	bool header = stream_awaits_header(s);
	uint64_t available = s->written - s->read;
	int error;

	expect(flags & MSG_DONTWAIT, "recv without MSG_DONTWAIT");
	expect(size > 0, "recv into nothing");
	s->header_stale = false;
	if (!(flags & MSG_TRUNC) && !header) {
		count_call(s, &s->receives, "recv");
		expect(s->read >= s->sent,
		        "descriptor %d: %llu bytes were sent and not taken off the queue",
		        s->peer_fd, (unsigned long long)(s->sent - s->read));
	}
	error = fault(flags & MSG_TRUNC ? CALL_TAKE : CALL_RECEIVE);
	s->header_unsure |= error;
	if (error)
		return tell(s, error);
	if (header && s->header_written - s->header_read + available > 0)
		return receive_header(s, buffer, size, flags);
	if (available > 0) {
		size_t length = fault_cut(least(size, least(available, MOST_AT_ONCE)));

		if (!(flags & MSG_TRUNC))
			memcpy(buffer, bytes_at(s, s->read), length);
		else /* the contents are thrown away: TCP does not touch the buffer */
			expect(!(flags & MSG_PEEK), "recv with MSG_PEEK and MSG_TRUNC");
		if (!(flags & MSG_PEEK)) {
			s->read += length;
			stream_on_moved(s);
		}
		return (ssize_t)length;
	}
	error = take_error(s);
	if (error)
		return tell(s, error);
	if (s->fin || s->dead) {
		expect(!s->fin_read, "descriptor %d: FIN is received twice", s->peer_fd);
		s->fin_read = s->fin;
		return 0;
	}
	return -EAGAIN;
}

static void
check_sent(const struct stream *s, const void *buffer, size_t size)
{
	expect(s->sent + size <= s->written, "descriptor %d is sent %zu bytes, but %llu are owed",
	        s->peer_fd, size, (unsigned long long)(s->written - s->sent));
	expect(memcmp(buffer, bytes_at(s, s->sent), least(size, MOST_AT_ONCE)) == 0,
	        "descriptor %d is sent other bytes than it sent, at offset %llu", s->peer_fd,
	        (unsigned long long)s->sent);
}

/* Some of what is offered, or none: what the kernel would do. */
static ssize_t
take(struct stream *s, size_t size)
{
	uint64_t queued = s->sent - s->acked;
	uint64_t room = s->send_room > queued ? s->send_room - queued : 0;
	int error = fault(CALL_SEND);

	if (error)
		return -error;
	error = take_error(s);
	if (error)
		return -error;
	if (s->dead)
		return -EPIPE;
	if (room == 0)
		return -EAGAIN;
	return (ssize_t)fault_cut(least(size, room));
}

static void
begin_to_wait(struct stream *s)
{
	s->acked_ns = clock_now();
	s->acked_awake = clock_awake();
}

ssize_t
stream_send(struct stream *s, const void *buffer, size_t size, int flags)
{
	bool without_ring = stream_held(s) == 0;
	ssize_t result;

	expect(flags & MSG_DONTWAIT, "send without MSG_DONTWAIT");
	expect(flags & MSG_NOSIGNAL, "send without MSG_NOSIGNAL: SIGPIPE");
	expect(size > 0, "send of nothing");
	count_call(s, &s->sends, "send");
	expect(!stream_awaits_header(s), "send before the header");
	check_sent(s, buffer, size);
	expect(!s->shut, "send after shutdown");
	result = take(s, size);
	if (result > 0 && s->sent == s->acked)
		begin_to_wait(s);
	if (result < 0)
		tell(s, (int)-result);
	else
		s->sent += (uint64_t)result;
	if (result > 0)
		stream_on_moved(s);
	if (result > 0 || !s->blocked) {
		s->moved_ns = clock_now();
		s->moved_awake = clock_awake();
	}
	s->blocked = without_ring ? result < (ssize_t)size : stream_held(s) > 0;
	if (result > 0 && s->peer_gone) { /* tcp_reset() of the kernel */
		s->error = s->fin ? EPIPE : ECONNRESET;
		s->dead = true;
	}
	return result;
}

void
stream_accept(struct stream *s, int peer_fd)
{
	s->peer_fd = peer_fd;
	s->opened_ns = s->moved_ns = clock_now();
	s->moved_awake = clock_awake();
}

void
stream_shut(struct stream *s)
{
	s->shut = true;
	stream_on_moved(s);
}

void
stream_close(struct stream *s, bool abort)
{
	/* An orphan belongs to no process: its bytes stay in the kernel for minutes, past every
	 * limit. */
	expect(abort || s->linger || s->dead || s->written > s->read || s->acked == s->sent,
	        "descriptor %d is closed with %llu bytes that are not acknowledged", s->peer_fd,
	        (unsigned long long)(s->sent - s->acked));
	s->closed = true;
	s->reset = abort || s->linger || s->written > s->read || s->header_written > s->header_read;
	s->peer_fd = -1;
	stream_on_moved(s);
}

uint32_t
stream_readiness(const struct stream *s)
{
	uint64_t queued = s->sent - s->acked;
	uint32_t events = 0;

	if (s->written > s->read || s->header_written > s->header_read || s->fin || s->dead ||
	        s->error)
		events |= EPOLLIN;
	/* sk_stream_is_writeable(): a third has to be free */
	if (s->dead || s->error || (queued < s->send_room && queued / 2 <= s->send_room - queued))
		events |= EPOLLOUT;
	if (s->error)
		events |= EPOLLERR;
	if (s->dead || (s->fin && s->shut)) /* for good */
		events |= EPOLLHUP;
	return events;
}

uint64_t
stream_peer_room(const struct stream *s)
{
	uint64_t queued = s->written - s->read;

	return queued < s->receive_room ? s->receive_room - queued : 0;
}

uint64_t
stream_peer_writes(struct stream *s, uint64_t size)
{
	uint64_t length = least(size, stream_peer_room(s));

	s->written += length;
	s->reset |= s->closed && length > 0; /* no process is there to take it */
	epoll_wake(s->peer_fd);
	return length;
}

void
stream_peer_writes_header(struct stream *s, uint32_t size)
{
	s->header_written += size;
	s->header_ns = clock_now();
	s->reset |= s->closed;
	epoll_wake(s->peer_fd);
}

uint64_t
stream_peer_reads(struct stream *s, uint64_t size)
{
	uint64_t length = least(size, s->acked - s->taken);

	s->taken += length;
	epoll_wake(s->peer_fd);
	return length;
}

static uint64_t
acknowledgeable(const struct stream *s)
{
	uint64_t room = s->window > s->acked - s->taken ? s->window - (s->acked - s->taken) : 0;

	return s->dead || s->peer_gone ? 0 : least(room, s->sent - s->acked);
}

bool
stream_peer_can_acknowledge(const struct stream *s)
{
	return acknowledgeable(s) > 0;
}

uint64_t
stream_bytes_acked(const struct stream *s)
{
	return s->acked + (s->shut && s->acked == s->sent && s->acked_ns % 2);
}

int
stream_error(struct stream *s)
{
	int error = take_error(s);

	if (s->dead && !s->told)
		s->told = error ? error : ECONNRESET;
	return error;
}

bool
stream_peer_acknowledges(struct stream *s)
{
	uint64_t length = acknowledgeable(s);

	if (length == 0)
		return false;
	s->acked += fault_cut(length);
	begin_to_wait(s);
	epoll_wake(s->peer_fd);
	return true;
}

void
stream_peer_finishes(struct stream *s)
{
	s->fin = true;
	epoll_wake(s->peer_fd);
}

void
stream_peer_resets(struct stream *s)
{
	s->error = s->fin ? EPIPE : ECONNRESET;
	s->dead = s->peer_gone = true;
	epoll_wake(s->peer_fd);
}

void
stream_peer_closes(struct stream *s)
{
	if (s->sent > s->taken) { /* with bytes unread: RFC 2525, 2.17 */
		stream_peer_resets(s);
		return;
	}
	s->peer_gone = true;
	stream_peer_finishes(s);
}

void
stream_times_out(struct stream *s)
{
	s->error = ETIMEDOUT;
	s->dead = s->peer_gone = true;
	epoll_wake(s->peer_fd);
}

bool
stream_at_end(const struct stream *s)
{
	return (s->closed && s->reset) || ((s->closed || s->shut) && s->taken == s->sent);
}
