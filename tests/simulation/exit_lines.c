#include "exit_lines.h"

#include "clock.h"
#include "trace.h"

#include "echod/connection.h"
#include "echod/log.h"

#include <stdio.h>
#include <string.h>

/* The latest line, whose connection is closed next. */
static struct {
	bool pending;
	enum close_reason reason;
	char proto[8], from[ADDRESS_TEXT_SIZE];
	unsigned long long rx, tx, duration_ms;
} state;

void
exit_lines_begin(void)
{
	memset(&state, 0, sizeof(state));
}

static bool
reason_named(const char *name, enum close_reason *reason)
{
	static const char *const names[] = {
#define WORD(reason, word, ...) [reason] = #word,
	        CLOSE_REASONS(WORD, )
#undef WORD
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0) {
			*reason = (enum close_reason)i;
			return true;
		}
	return false;
}

void
exit_lines_read(const char *line)
{
	char reason[16];
	unsigned ms;

	expect(!state.pending, "two EXIT lines and one close");
	expect(sscanf(line,
	               "EXIT: proto=%7s from=%127s to=[::]:50007 duration_s=%llu.%3u rx_bytes=%llu "
	               "tx_bytes=%llu reason=%15s",
	               state.proto, state.from, &state.duration_ms, &ms, &state.rx, &state.tx,
	               reason) == 7 &&
	                reason_named(reason, &state.reason),
	        "an EXIT line of another form: %s", line);
	state.duration_ms = state.duration_ms * 1000 + ms;
	state.pending = true;
}

unsigned
exit_lines_check(const struct stream *s)
{
	const char *proto = s->from.any.sa_family == AF_UNSPEC ? "stream" : "tcp";
	char text[LOG_VALUE_SIZE];

	expect(state.pending, "descriptor %d is closed without an EXIT line", s->peer_fd);
	state.pending = false;
	expect(strcmp(state.from, log_address(&s->from, text)) == 0 &&
	                strcmp(state.proto, proto) == 0,
	        "the EXIT line is of %s %s, the connection closed is %s %s", state.proto,
	        state.from, proto, text);
	expect(state.rx == s->read && state.tx == s->sent,
	        "the EXIT line says rx=%llu tx=%llu, not %llu and %llu", state.rx, state.tx,
	        (unsigned long long)s->read, (unsigned long long)s->sent);
	expect(state.duration_ms == (clock_now() - s->known_ns) / MS,
	        "the EXIT line says %llu ms, not %llu", state.duration_ms,
	        (unsigned long long)((clock_now() - s->known_ns) / MS));
	return 1u << state.reason;
}

void
exit_lines_expect_none(void)
{
	expect(!state.pending, "an EXIT line without a close");
}
