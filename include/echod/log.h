/*
 * The log: one line an event on stderr, never payload, never blocking.
 *
 * An event is a line "EVENT: key=value key=value" that readers of logfmt take apart: the key of a
 * number names its unit, and a value that may hold anything but letters, digits and punctuation
 * passes log_value(). A line "echod: TEXT" is for people: why the daemon does not start, or ends.
 *
 * A line that stderr does not take at once is lost and counted; it is never waited for. Control
 * characters become '?', lines are cut at 4 KiB. When the journal reads stderr (systemd.exec(5),
 * $JOURNAL_STREAM), lines carry sd-daemon(3)'s <N> priority.
 */
#pragma once

#include "echod/bucket.h"
#include "echod/common/address.h"

#include <stdint.h>
#include <syslog.h> /* LOG_ERR … LOG_DEBUG */

/* Makes writing to stderr non-blocking, without touching what others share with us. To be called
 * once, before anything may wait; until then lines are plain writes. Never fails. */
void log_open(void);
/* Also counts the lines lost from 0 again. */
void log_close(void);

/* Lines less urgent than this priority are not written. LOG_INFO at first. */
void log_set_threshold(int priority);

void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Writes a value as logfmt does: in quotes if it is empty or holds a space, '=', a quote or a
 * backslash. No address is cut; a longer text is cut to what fits. Returns text.
 */
#define LOG_VALUE_SIZE (2 * ADDRESS_TEXT_SIZE + 2)
char *log_value(const char *value, char text[LOG_VALUE_SIZE]);
char *log_address(const struct address *address, char text[LOG_VALUE_SIZE]);

/* A kind of line that a peer can cause, limited to one a second. Zeroed, it is ready. */
struct log_limit {
	struct bucket bucket;
	uint64_t suppressed; /* lines since the last one written */
};

/* Writes the line, with suppressed=N behind it when some were, or counts it as suppressed. */
void log_limited(struct log_limit *limit, int priority, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Lines that stderr did not take. */
uint64_t log_lost(void);
