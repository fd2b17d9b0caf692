/*
 * The echo over UDP (RFC 862), a batch of datagrams at a time: recvmmsg(2), the reflector's verdict
 * on each, sendmmsg(2). A reply is the same bytes, from the address that was hit. Nothing waits: a
 * reply that the kernel refuses is dropped and counted by its errno.
 */
#ifndef ECHOD_DATAGRAM_H
#define ECHOD_DATAGRAM_H

#include "echod/listener.h"
#include "echod/stats.h"

#include <ev.h>

struct datagrams;

/*
 * Starts to serve the datagram sockets among the listeners, which stay the caller's, as do the loop
 * and the stats. Returns NULL and sets errno (ENOMEM).
 */
struct datagrams *datagrams_new(
        struct ev_loop *loop, struct stats *stats, struct listeners *listeners);
void datagrams_free(struct datagrams *datagrams);

#endif
