/*
 * The echo over UDP (RFC 862), a batch of datagrams at a time: recvmmsg(2), the reflector's verdict
 * on each, its source's tokens, and the replies. A reply is the same bytes, from the address that
 * was hit. Every datagram received is counted as answered, refused or failed, each by its reason.
 */
#ifndef ECHOD_DATAGRAM_H
#define ECHOD_DATAGRAM_H

#include "echod/listener.h"
#include "echod/options.h"
#include "echod/stats.h"

#include <ev.h>

struct datagrams;

/*
 * Starts to serve the datagram sockets among the listeners, and logs what is not as it should be
 * about them. The listeners stay the caller's, as do the loop, the stats and the options, and live
 * longer. Returns NULL and sets errno (mmap(2), getentropy(3)).
 */
struct datagrams *datagrams_new(struct ev_loop *loop, struct stats *stats,
        const struct options *options, struct listeners *listeners);
void datagrams_free(struct datagrams *datagrams);

/* Brings up to date what only the kernel counts: kernel_drops. */
void datagrams_update_stats(struct datagrams *datagrams);

#endif
