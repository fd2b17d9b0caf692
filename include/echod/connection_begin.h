/*
 * How a connection begins: at once, or, if it comes from a proxy (--proxy-protocol), behind the
 * PROXY header that says which client's it is.
 */
#pragma once

#include "echod/connection.h"

/*
 * Starts to serve a connected, non-blocking socket, which the connection then owns. peer is where
 * it comes from. Returns 0; -EDQUOT when its source has as many connections as it may have, or else
 * -ENOBUFS when all slots are taken, and peer_fd is still the caller's. The client of a proxy's
 * connection is counted for its source when it is known, and the connection closed (CLOSE_SOURCE)
 * if that has as many as it may have.
 */
int connection_open(struct connections *connections, int peer_fd, const struct address *peer);

/* Whether the connection is a proxy's whose header has not come yet; and makes it one (a reload).
 */
bool connection_awaits_header(const struct connection *connection);
void connection_await_header(struct connection *connection);

/*
 * Looks again for the header of a connection that awaits it, of which a part may have come; late:
 * for the last time, and closes it (CLOSE_PROXY) if the header is not there. Returns whether it has
 * ended.
 */
bool connection_check_header(
        struct connections *connections, struct connection *connection, bool late);
