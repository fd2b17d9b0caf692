#include "oracle.h"

#include "clock.h"
#include "counters.h"
#include "exit_lines.h"
#include "headers.h"
#include "notify.h"
#include "peers.h" /* PEERS_MOST */
#include "sources.h"
#include "stops.h"
#include "tokens.h"
#include "trace.h"

#include "echod/connection.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PAUSE           (100 * MS)
#define TICK            (100 * MS)
#define LATE            (1400 * MS) /* sweep.h */
#define LATE_STALL      (2400 * MS)
#define SPIN_ITERATIONS 100
#define NO_CLIENT       (1u << CLOSE_PROXY | 1u << CLOSE_SOURCE)

static struct {
	struct options options;
	uint32_t limit;
	uint64_t ring_limit, most_lent;      /* more only if they were lent before a reload */
	struct stream *open[PEERS_MOST + 1]; /* and perhaps one that is to be refused */
	uint32_t n_open;
	uint64_t paused_ns;          /* 0: never */
	uint64_t active_ns;          /* when something moved last */
	bool accept_failed;          /* in the drain */
	uint64_t accepted_iteration; /* in which a connection was accepted last */
	struct tokens tokens;
	uint64_t due_awake; /* by which changed timeouts hold */
	bool knew; /* where each connection comes from, and since when: before the reload */
	bool progress;
	uint32_t iterations_without_progress;
} state;

/* What is lent may be more, and larger. */
static void
set_limits(const struct options *options, uint32_t limit)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), size = options->buffer_size, lent = 0;

	for (uint32_t i = 0; i < state.n_open; i++) {
		lent += stream_held(state.open[i]) > 0;
		if (stream_held(state.open[i]) > size)
			size = stream_held(state.open[i]);
	}
	state.options = *options;
	state.limit = limit;
	state.ring_limit = options->buffer_memory / ((size + page - 1) / page * page);
	state.most_lent = lent > state.ring_limit ? lent : state.ring_limit;
}

void
oracle_begin(const struct options *options, uint32_t limit)
{
	memset(&state, 0, sizeof(state));
	state.active_ns = clock_now();
	set_limits(options, limit);
	counters_begin();
	exit_lines_begin();
}

uint32_t
oracle_open(void)
{
	return state.n_open;
}

const struct stream *
oracle_stream(uint32_t index)
{
	return state.open[index];
}

uint32_t
oracle_stats_seen(void)
{
	return counters_seen();
}

uint32_t
oracle_limit(void)
{
	return state.limit;
}

/* Whether the source of a newcomer has its share already. */
static bool
has_its_share(const struct stream *newcomer)
{
	uint64_t open = 0;

	if (!state.options.max_connections_per_source)
		return false;
	for (uint32_t i = 0; i < state.n_open; i++)
		open += state.open[i] != newcomer && !stream_awaits_header(state.open[i]) &&
		        sources_same(&state.open[i]->from, &newcomer->from);
	return open >= state.options.max_connections_per_source;
}

void
oracle_on_accept_call(void)
{
	expect(state.paused_ns == 0 || stops_may_drain() || clock_now() >= state.paused_ns + PAUSE,
	        "accept4 %llu ms after a failure that asks for a pause",
	        (unsigned long long)((clock_now() - state.paused_ns) / MS));
}

void
oracle_on_accept(struct stream *s)
{
	/* at the limit it is accepted only to be refused for its source, or when another gives way
	 */
	expect(state.n_open <= state.limit, "a connection is accepted beyond the limit of %u",
	        state.limit);
	s->refused = !s->header_due && has_its_share(s);
	if (!s->refused) {
		if (state.options.accept_rate > 0 && !stops_may_drain())
			tokens_take(&state.tokens, state.options.accept_rate, 1, clock_now(),
			        "--accept-rate");
		s->known_ns = clock_now();
		state.accepted_iteration = clock_iteration();
		s->place = state.n_open;
		state.open[state.n_open++] = s;
		oracle_on_activity();
		notify_on_change();
	}
	counters_on_accept(s->refused);
	state.progress = true;
}

void
oracle_on_header(struct stream *s)
{
	if (s->client.length > 0)
		s->from = s->client;
	s->client_refused = has_its_share(s);
}

void
oracle_on_accept_error(int error)
{
	state.accept_failed |= stops_may_drain();
	if (error == EAGAIN || error == EINTR)
		return;
	switch (error) {
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case ETIMEDOUT:
		counters_on_accept_error(false);
		break;
	default:
		state.paused_ns = clock_now();
		counters_on_accept_error(true);
	}
}

void
oracle_on_peer_asked(struct stream *s)
{
	expect(!state.knew || s->from.any.sa_family == AF_UNSPEC,
	        "descriptor %d: its address is not kept", s->peer_fd);
	if (!state.knew)
		s->known_ns = clock_now();
}

void
oracle_on_reload(const struct options *options, uint32_t limit, bool refused)
{
	const struct options *before = &state.options;
	uint64_t awake = clock_awake(), due = awake + LATE_STALL + 2 * TICK;

	state.knew = before->log_connections || before->max_connections_per_source ||
	             before->proxies.count > 0;
	if (state.due_awake > awake)
		state.due_awake += S + 2 * TICK;
	if ((options->idle_timeout != before->idle_timeout ||
	            options->stall_timeout != before->stall_timeout) &&
	        state.due_awake < due)
		state.due_awake = due;
	set_limits(refused ? before : options, refused ? state.limit : limit);
	state.paused_ns = state.accepted_iteration = 0;
	for (uint32_t i = 0; i < state.n_open; i++) {
		state.open[i]->grace_ns += S + 2 * TICK;
		state.open[i]->iteration = 0; /* an iteration begins */
	}
	counters_on_reload(refused);
}

void
oracle_on_listener_close(const struct waiting *waiting)
{
	stops_on_listener_close();
	expect(waiting->handed_over || waiting->count == 0 || state.n_open >= state.limit ||
	                state.accept_failed || !stops_may_drain() || stops_at_once(),
	        "%u connections that wait are not taken in before the listener is closed",
	        waiting->count);
}

void
oracle_on_epoll_error(struct stream *stream, int error)
{
	if (!stream)
		counters_on_listener_error();
	else
		stream->told = error;
}

/* A set of enum close_reason, a bit each. */
static unsigned
reasons_for(const struct stream *s)
{
	const struct options *o = &state.options;
	uint64_t quiet_ms = (clock_now() - s->moved_ns) / MS;
	uint64_t since_ns =
	        s->sent > s->acked || s->acked_ns > s->moved_ns ? s->acked_ns : s->moved_ns;
	uint64_t stalled_ms = (clock_now() - since_ns) / MS;
	unsigned reasons = headers_reasons(s);

	if (s->fin_read && !stream_awaits_header(s) && s->sent == s->written && s->acked == s->sent)
		reasons |= 1u << CLOSE_EOF;
	if (s->told == ECONNRESET || s->told == EPIPE)
		reasons |= 1u << CLOSE_RESET;
	else if (s->told == ETIMEDOUT)
		reasons |= 1u << CLOSE_TIMEOUT;
	else if (s->told) /* perhaps by epoll; the socket's own error may be found first */
		reasons |=
		        1u << CLOSE_ERROR | (s->dead ? 1u << CLOSE_RESET | 1u << CLOSE_TIMEOUT : 0);
	if (o->idle_timeout && !s->blocked && !s->shut && quiet_ms >= o->idle_timeout)
		reasons |= 1u << CLOSE_IDLE;
	if (o->stall_timeout && (s->blocked || s->sent > s->acked) &&
	        stalled_ms >= o->stall_timeout)
		reasons |= 1u << CLOSE_STALLED;
	if (o->idle_timeout_full && !s->blocked && !s->shut && quiet_ms >= o->idle_timeout_full &&
	        state.n_open > state.limit && /* for a connection that was not refused */
	        (waiting_count() > 0 || state.accepted_iteration == clock_iteration()))
		reasons |= 1u << CLOSE_FULL;
	if (stops_may_cut())
		reasons |= 1u << CLOSE_DRAIN;
	return reasons;
}

/* The one idle longest is evicted: none was idle clearly longer, by the time that the daemon was
 * let run. */
static void
check_longest_idle(const struct stream *s)
{
	for (uint32_t i = 0; i < state.n_open; i++) {
		const struct stream *other = state.open[i];

		expect(other->blocked || other->shut || other->told ||
		                other->moved_awake + 2 * S >= s->moved_awake,
		        "descriptor %d gives way, but %d is idle longer", s->peer_fd,
		        other->peer_fd);
	}
}

void
oracle_on_close(struct stream *s)
{
	unsigned reasons;

	state.progress = true;
	if (s->refused) {
		expect(s->linger, "a connection refused is not reset");
		return;
	}
	reasons = reasons_for(s);
	if (state.options.log_connections)
		reasons &= exit_lines_check(s);
	expect(reasons, "descriptor %d is closed for no reason: quiet for %llu ms%s, error %d",
	        s->peer_fd, (unsigned long long)((clock_now() - s->moved_ns) / MS),
	        s->blocked ? " and blocked" : "", s->told);
	expect(stream_held(s) == 0 || s->linger || s->dead || s->written > s->read,
	        "descriptor %d: %llu bytes are lost, and the peer is not told so by a reset",
	        s->peer_fd, (unsigned long long)stream_held(s));
	expect(!s->linger || stream_held(s) > 0 || s->sent > s->acked || (reasons & NO_CLIENT),
	        "descriptor %d is reset, and nothing is lost", s->peer_fd);
	expect(s->linger || (reasons & ~NO_CLIENT), "descriptor %d: FIN without a right header",
	        s->peer_fd);
	if (reasons == 1u << CLOSE_FULL)
		check_longest_idle(s);
	counters_on_close(reasons);
	counters_on_bytes(s->read, s->sent);
	state.open[s->place] = state.open[--state.n_open];
	state.open[s->place]->place = s->place;
	oracle_on_activity();
	notify_on_change();
}

void
oracle_on_log(const char *line)
{
	if (strncmp(line, "STATS: ", 7) == 0)
		counters_check(line + 7);
	else if (strncmp(line, "EXIT: ", 6) == 0)
		exit_lines_read(line);
}

void
oracle_on_stop(void)
{
	stops_on_signal(&state.options);
}

void
oracle_on_activity(void)
{
	state.active_ns = clock_now();
}

bool
oracle_has_been_idle(void)
{
	uint64_t most = state.options.exit_idle_time * MS;

	return most > 0 && state.n_open == 0 && clock_now() - state.active_ns >= most;
}

void
oracle_on_progress(void)
{
	state.progress = true;
}

/* What a connection is told in an iteration ends it in this iteration; none waits for longer than
 * the timeouts say. */
static void
check_open(void)
{
	const struct options *o = &state.options;
	uint64_t awake = clock_awake(), lent = 0;

	for (uint32_t i = 0; i < state.n_open; i++) {
		const struct stream *s = state.open[i];
		bool waits = s->sent > s->acked;
		uint64_t timeout =
		        s->blocked || waits || s->shut ? o->stall_timeout : o->idle_timeout;
		bool by_acks = waits || s->shut || (s->blocked && s->acked_awake > s->moved_awake);
		uint64_t quiet = awake - (by_acks ? s->acked_awake : s->moved_awake);
		/* a tenth for ticks that come a little late */
		uint64_t most = timeout * MS * 11 / 10 + LATE_STALL + 2 * TICK;

		if (s->shut && !waits) { /* everything has arrived */
			timeout = 1;
			most = LATE;
		}
		if (stream_awaits_header(s)) {
			timeout = HEADERS_TIME / MS;
			most = HEADERS_TIME * 11 / 10 + LATE + 2 * TICK;
		}
		most += s->grace_ns;
		lent += stream_held(s) > 0;

		expect(!s->client_refused, "descriptor %d: the client's source had its share",
		        s->peer_fd);
		expect(s->iteration != clock_iteration() || !s->told,
		        "descriptor %d: error %d does not end the connection", s->peer_fd, s->told);
		expect(timeout == 0 || quiet <= most || awake <= state.due_awake,
		        "descriptor %d is quiet for %llu ms and not closed", s->peer_fd,
		        (unsigned long long)(quiet / MS));
		expect(s->keepalive_s == (int)((o->keepalive + 999) / 1000),
		        "descriptor %d: --keepalive is %d s", s->peer_fd, s->keepalive_s);
	}
	expect(lent <= state.most_lent, "%llu rings are lent, more than --buffer-memory allows",
	        (unsigned long long)lent);
	state.most_lent = lent > state.ring_limit ? lent : state.ring_limit;
}

void
oracle_on_iteration(bool calm)
{
	stops_on_iteration(state.n_open);
	state.iterations_without_progress =
	        state.progress || !calm ? 0 : state.iterations_without_progress + 1;
	state.progress = false;
	expect(state.iterations_without_progress < SPIN_ITERATIONS,
	        "%d iterations without any progress", SPIN_ITERATIONS);
	exit_lines_expect_none();
	/* more only if they were open before a reload */
	expect(state.n_open <= state.limit || state.accepted_iteration != clock_iteration(),
	        "%u connections are open, more than the limit of %u", state.n_open, state.limit);
	if (state.n_open <= 64 || clock_iteration() % 64 == 0)
		check_open();
}
