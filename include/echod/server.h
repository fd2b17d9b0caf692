/*
 * The loop and what lives in it, the signals, the drain.
 */
#pragma once

#include "echod/handover.h"
#include "echod/listeners.h"
#include "echod/options.h"

#include <stdbool.h>
#include <stdint.h>

struct server;

/*
 * Puts everything in place to serve the listeners, which stay the caller's; nothing is accepted
 * before server_run(). limit is how many connections may be open at once. What a handover
 * with bytes holds goes on, whatever the limit, and the loop's first iteration frees it; what waits
 * on known listeners that are not served any more is accepted, so that they can be closed.
 * Returns NULL when that fails, and nothing of the handover is touched; a line in the log says what
 * did.
 */
struct server *server_new(const struct options *options, struct listeners *listeners,
        uint32_t limit, const struct listeners *known, struct handover *handover);
void server_free(struct server *server);

/*
 * Serves until SIGTERM or SIGINT and for the drain delay, and then until the last connection has
 * ended or the drain timeout has passed; a second signal ends it at once. SIGUSR1 logs the
 * counters, SIGHUP reloads. Returns false when it had to give up; a line in the log says why.
 */
bool server_run(struct server *server);
