/*
 * What the daemon promises, checked while it runs: which connections are accepted, why one may be
 * closed, what the counters and the log say. A broken promise ends the run (fail()).
 *
 * That the bytes are right is checked where they cross (stream.c, udp.c).
 */
#pragma once

#include "stream.h"
#include "waiting.h"

#include "echod/options.h"

void oracle_begin(const struct options *options, uint32_t limit);

void oracle_on_accept_call(void);
void oracle_on_accept(struct stream *stream);
void oracle_on_accept_error(int error);
/* The PROXY header is taken. */
void oracle_on_header(struct stream *stream);
void oracle_on_close(struct stream *stream);
/* A reload costs a timeout a tick, and begins a round of the sweep. What is open stays so. The new
 * program may have refused its options: these say the same as those before. */
void oracle_on_reload(const struct options *options, uint32_t limit, bool refused);
/* The new program asks where a connection comes from: the one before did not have to know. */
void oracle_on_peer_asked(struct stream *stream);

void oracle_on_listener_close(const struct waiting *waiting);

/* epoll does not take a descriptor; stream is NULL for what is no connection. */
void oracle_on_epoll_error(struct stream *stream, int error);

/* A line of the daemon's log, without its newline. */
void oracle_on_log(const char *line);

/* The daemon is asked to stop: it drains, and the second time it ends at once. */
void oracle_on_stop(void);

/* Bytes or datagrams have moved. */
void oracle_on_activity(void);

/* Whether it may end because nothing has come for --exit-idle-time. */
bool oracle_has_been_idle(void);

/* The daemon has got something done: it is not spinning. */
void oracle_on_progress(void);

/* An iteration has ended; calm when no faults and no jumps of time disturb the daemon. */
void oracle_on_iteration(bool calm);

/* How many STATS lines have been checked. */
uint32_t oracle_stats_seen(void);

/* How many connections are open now, and each of them. */
uint32_t oracle_open(void);
uint32_t oracle_limit(void);
const struct stream *oracle_stream(uint32_t index);
