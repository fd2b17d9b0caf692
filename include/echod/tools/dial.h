/*
 * Sockets that go out to a peer: non-blocking, from an address and a port that can be chosen.
 */
#pragma once

#include "echod/common/address.h"

#include <stdbool.h>
#include <stdint.h>

struct dial {
	struct address to;
	struct address from; /* length 0: any; port 0: a free one */
	bool datagram;
	uint8_t dscp; /* RFC 2474, 0 to 63 */
};

/*
 * Opens a socket and connects it. A stream's connection is still on its way: it becomes writable,
 * and dial_result() tells. A datagram socket never has a source port that reflectors refuse, nor
 * the port that it sends to, unless from asks for it. Returns the socket, which is the caller's to
 * close, or a negative errno: -EADDRNOTAVAIL when from is no address of this host, -EADDRINUSE when
 * no source port is free.
 */
int dial_open(const struct dial *dial);

/*
 * How a connection turned out: 0 or a negative errno. One that reached itself (RFC 9293, 3.5: both
 * ends open at once, which happens to a free port among the ephemeral ones) would echo perfectly
 * and is -ECONNREFUSED.
 */
int dial_result(int peer_fd);

/* The socket's own address. Returns 0 or a negative errno. */
int dial_source(int peer_fd, struct address *source);

/* Sums over connections, from TCP_INFO (tcp(7)); rtt: smoothed. */
struct tcp_sums {
	uint64_t asked, retransmits, lost, rtt_ns;
};

/* Adds what the kernel says of a TCP connection; nothing of another socket. */
void dial_add_tcp_info(int peer_fd, struct tcp_sums *sums);

void dial_add_tcp_sums(struct tcp_sums *sums, const struct tcp_sums *more);
