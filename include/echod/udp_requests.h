/*
 * Datagrams on their way in, a batch at a time: recvmmsg(2).
 */
#pragma once

#include "echod/common/address.h"
#include "echod/udp_cmsg.h"

#include <stddef.h>

enum {
	UDP_BATCH = 64, /* messages, each a datagram or a train of them */
	/* No datagram is larger: 65507 bytes over IPv4, 65527 over IPv6; nor is a train. */
	UDP_REQUEST_SIZE = 65536,
	/* 64 KiB apart, the beginnings of all buffers would share a few lines of the cache. */
	UDP_REQUEST_STRIDE = UDP_REQUEST_SIZE + 3 * 64,
};

/* One batch, used by all sockets in turn. */
struct udp_requests {
	size_t count;        /* messages received last */
	size_t control_size; /* bytes of each cmsg buffer that the kernel may fill */
	struct mmsghdr messages[UDP_BATCH];
	struct iovec iovecs[UDP_BATCH];
	struct address from[UDP_BATCH];
	struct udp_cmsg cmsgs[UDP_BATCH];
	unsigned char bytes[UDP_BATCH][UDP_REQUEST_STRIDE];
};

/* Returns NULL and sets errno (mmap(2)). */
struct udp_requests *udp_requests_new(void);
void udp_requests_free(struct udp_requests *requests);

/*
 * Receives what the socket has, without waiting. control_size: bytes of control messages that the
 * kernel may add, at most sizeof(struct udp_cmsg); 0 for a UNIX socket, because descriptors that a
 * UNIX peer attaches are installed where there is room for control messages. Returns how many
 * messages were received, or a negative errno.
 */
int udp_requests_receive(struct udp_requests *requests, int fd, size_t control_size);
