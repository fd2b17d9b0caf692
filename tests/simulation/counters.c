#include "counters.h"

#include "datagrams.h"
#include "oracle.h"
#include "stops.h"
#include "trace.h"

#include "echod/connection.h"
#include "echod/log.h"
#include "echod/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	uint64_t accepted, refused, errors, pauses, listener_errors;
	uint64_t received, sent; /* bytes of connections that are closed */
	uint64_t surely[N_CLOSE_REASONS], perhaps[N_CLOSE_REASONS], closed;
	uint64_t log_lost, reloads;
	uint32_t seen;
} state;

void
counters_begin(void)
{
	memset(&state, 0, sizeof(state));
}

uint32_t
counters_seen(void)
{
	return state.seen;
}

void
counters_on_accept(bool refused)
{
	state.accepted += !refused;
	state.refused += refused;
}

void
counters_on_accept_error(bool pauses)
{
	state.errors += !pauses;
	state.pauses += pauses;
}

void
counters_on_listener_error(void)
{
	state.listener_errors++;
}

void
counters_on_close(unsigned reasons)
{
	state.closed++;
	for (unsigned i = 0; i < N_CLOSE_REASONS; i++) {
		state.surely[i] += reasons == 1u << i;
		state.perhaps[i] += reasons >> i & 1;
	}
}

void
counters_on_log_lost(void)
{
	state.log_lost++;
}

void
counters_on_reload(bool refused)
{
	state.reloads += !refused;
}

void
counters_on_bytes(uint64_t received, uint64_t sent)
{
	state.received += received;
	state.sent += sent;
}

static uint64_t
value_of(const char *stats, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = stats; at; at = strchr(at, ' ')) {
		at += *at == ' ';
		if (strncmp(at, name, length) == 0 && at[length] == '=')
			return strtoull(at + length + 1, NULL, 10);
	}
	fail("STATS has no %s", name);
}

static void
check_between(const char *stats, const char *name, uint64_t least, uint64_t most)
{
	uint64_t value = value_of(stats, name);

	expect(value >= least && value <= most, "%s is %llu, not %llu to %llu", name,
	        (unsigned long long)value, (unsigned long long)least, (unsigned long long)most);
}

static void
check(const char *stats, const char *name, uint64_t expected)
{
	check_between(stats, name, expected, expected);
}

/* A connection holds a ring when, and only when, it holds bytes. */
static void
check_connections(const char *stats)
{
	uint64_t received = state.received, sent = state.sent, rings = 0;

	for (uint32_t i = 0; i < oracle_open(); i++) {
		const struct stream *s = oracle_stream(i);

		received += s->read;
		sent += s->sent;
		rings += stream_held(s) > 0;
	}
	check(stats, "tcp_received_bytes", received);
	check(stats, "tcp_sent_bytes", sent);
	check(stats, "rings_lent", rings);
}

static void
check_reasons(const char *stats)
{
	static const char *const names[] = {
#define COUNTER(reason, word, ...) [reason] = "tcp_closed_" #word,
	        CLOSE_REASONS(COUNTER, )
#undef COUNTER
	};
	uint64_t closed = 0;

	for (unsigned i = 0; i < N_CLOSE_REASONS; i++) {
		check_between(stats, names[i], state.surely[i], state.perhaps[i]);
		closed += value_of(stats, names[i]);
	}
	expect(closed == state.closed, "%llu closes are counted, not %llu",
	        (unsigned long long)closed, (unsigned long long)state.closed);
}

/* The sum of a family of counters, by their common beginning. */
static uint64_t
sum_of(const char *stats, const char *prefix)
{
	uint64_t sum = 0;

	for (const char *at = strstr(stats, prefix); at; at = strstr(at + 1, prefix))
		sum += strtoull(strchr(at, '=') + 1, NULL, 10);
	return sum;
}

/* Each datagram is answered, refused, or its reply was refused by the kernel. */
static void
check_datagrams(const char *stats)
{
	const struct datagrams_count *count = datagrams_counted();
	uint64_t refused = sum_of(stats, "udp_refused_"),
	         rate = value_of(stats, "udp_refused_rate");

	check(stats, "udp_received", count->received);
	check(stats, "udp_received_bytes", count->received_bytes);
	check(stats, "udp_answered", count->answered);
	check(stats, "udp_answered_bytes", count->answered_bytes);
	check(stats, "udp_receive_errors", count->receive_errors);
	check(stats, "kernel_drops", datagrams_drops_known());
	expect(refused - rate == count->forbidden, "%llu datagrams are refused, not %llu",
	        (unsigned long long)(refused - rate), (unsigned long long)count->forbidden);
	expect(count->received == count->answered + refused + sum_of(stats, "udp_failed_"),
	        "the counters of datagrams do not add up");
}

static void
check_all(const char *stats)
{
	check(stats, "tcp_open", oracle_open());
	check(stats, "tcp_limit", oracle_limit());
	check(stats, "tcp_accepted", state.accepted);
	check(stats, "tcp_refused_source", state.refused);
	check(stats, "tcp_accept_errors", state.errors);
	check_between(
	        stats, "tcp_accept_pauses", state.pauses, state.pauses + state.listener_errors);
	check(stats, "log_lost", state.log_lost);
	check(stats, "reloads", state.reloads);
	check_between(stats, "stopping", stops_known(), stops_asked());
	check_connections(stats);
	check_reasons(stats);
	check_datagrams(stats);
}

void
counters_check(const char *stats)
{
	state.seen++;
	check_all(stats);
}

/* Appends a sample as STATS lines show it. */
static void
add_sample(const char *text, const char *series, const char *name, char *stats, size_t size)
{
	const char *sample = strstr(text, series);
	size_t length = strlen(stats);

	expect(sample, "the stats socket does not show %s", series + 1);
	snprintf(stats + length, size - length, " %s=%llu", name,
	        strtoull(sample + strlen(series), NULL, 10));
}

void
counters_check_exposition(const char *text, size_t size)
{
	char whole[STATS_EXPOSITION_SIZE], stats[STATS_TEXT_SIZE] = "";

	expect(size < sizeof(whole) && text[size - 1] == '\n', "a text of %zu bytes", size);
	memcpy(whole, text, size);
	whole[size] = '\0';
#define ADD(name, family, type, label, help)                                                       \
	add_sample(whole, sizeof(label) > 1 ? "\n" family "{" label "} " : "\n" family " ", #name, \
	        stats, sizeof(stats));
	STATS_TABLE(ADD)
#undef ADD
	check_all(stats);
}
