#include "exit_lines.h"

#include "trace.h"

#include "echod/connection.h"

#include <stdio.h>
#include <string.h>

/* The latest line, whose connection is closed next. */
static struct {
	bool pending;
	enum close_reason reason;
	char from[ADDRESS_TEXT_SIZE];
	unsigned long long rx, tx;
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

	expect(!state.pending, "two EXIT lines and one close");
	expect(sscanf(line,
	               "EXIT: proto=tcp from=%127s to=[::]:50007 duration_s=%*u.%*u rx_bytes=%llu "
	               "tx_bytes=%llu reason=%15s",
	               state.from, &state.rx, &state.tx, reason) == 4 &&
	                reason_named(reason, &state.reason),
	        "an EXIT line of another form: %s", line);
	state.pending = true;
}

unsigned
exit_lines_check(const struct stream *s)
{
	char text[ADDRESS_TEXT_SIZE];

	expect(state.pending, "descriptor %d is closed without an EXIT line", s->peer_fd);
	state.pending = false;
	expect(strcmp(state.from, address_format(&s->from, text, sizeof(text))) == 0,
	        "the EXIT line is of %s, the connection closed is %s", state.from, text);
	expect(state.rx == s->read && state.tx == s->sent,
	        "the EXIT line says rx=%llu tx=%llu, not %llu and %llu", state.rx, state.tx,
	        (unsigned long long)s->read, (unsigned long long)s->sent);
	return 1u << state.reason;
}

void
exit_lines_expect_none(void)
{
	expect(!state.pending, "an EXIT line without a close");
}
