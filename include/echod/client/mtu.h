/* Which size of datagram still comes back in one piece. */
#pragma once

#include "echod/client/session.h"

/*
 * Searches the largest datagram that comes back unfragmented from the first address of HOST that
 * answers, and shows it with what stands in the way of larger ones. Blocks. Returns SESSION_CLEAN,
 * SESSION_UNCLEAN when nothing comes back, or SESSION_ERROR.
 */
enum session_outcome mtu_run(const struct client_options *options);
