/*
 * The echo over UDP (RFC 862), a batch of datagrams at a time: the requests, the filter's verdict
 * on each, its source's tokens, and the replies. A reply is the same bytes, sent from the address
 * that the request was sent to. Every datagram received is counted as answered, refused or failed,
 * each by its reason.
 */
#pragma once

#include "echod/listeners.h"
#include "echod/options.h"
#include "echod/source_tokens.h"
#include "echod/stats.h"

#include <ev.h>

struct udp;

/*
 * Starts to serve the datagram sockets among the listeners, and warns of
 * buffers that are too small. The listeners stay the caller's, as do the loop, the stats and the
 * options, and live longer. Returns NULL and sets errno (mmap(2), getentropy(3)).
 */
struct udp *udp_new(struct ev_loop *loop, struct stats *stats, const struct options *options,
        struct listeners *listeners);
void udp_free(struct udp *udp);

/* Brings up to date what only the kernel counts: kernel_drops. */
void udp_update_stats(struct udp *udp);

/* What its sources have spent, to be saved and restored. */
struct source_tokens *udp_tokens(struct udp *udp);
