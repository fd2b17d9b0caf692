/*
 * One TCP connection, both of its ends, as Linux lets the daemon see it.
 *
 * Its bytes are never stored: the byte at an offset follows from the connection's number, so what
 * the daemon sends is compared at once with what that peer sent at that place.
 */
#pragma once

#include "echod/common/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stream {
	uint32_t number;     /* which bytes it carries */
	int peer_fd;         /* the daemon's; -1 before it is accepted and after it is closed */
	struct address from; /* the client behind a proxy, once the header is read */

	/* the PROXY header before the peer's bytes: size >= stop >= written >= read */
	unsigned char *header; /* room for HEADERS_SIZE bytes */
	uint32_t header_size, header_stop, header_written, header_read; /* bytes */
	uint32_t header_seen;  /* and how many were looked at, with bytes of the peer */
	bool header_due;       /* else it has none, and no byte is one */
	bool header_bad;       /* it is none, or not there */
	bool header_unsure;    /* a look at it has failed */
	bool header_stale;     /* the last look at it showed nothing new */
	struct address client; /* that it names; length 0: none */
	uint64_t header_ns;    /* when all of it was there */

	/* from the peer to the daemon: written >= read */
	uint64_t written, read; /* bytes */
	uint64_t receive_room;  /* bytes that the kernel holds for the daemon */
	bool fin;               /* the peer has finished after what it has written */
	bool fin_read;          /* and the daemon knows */

	/* from the daemon to the peer: sent >= acked >= taken */
	uint64_t sent, acked, taken; /* bytes */
	uint64_t send_room;          /* bytes that the kernel holds for the peer: sent, not acked */
	uint64_t window; /* bytes that the peer's kernel holds for it: acked, not taken */
	bool shut;       /* the daemon has sent FIN */
	bool closed;     /* the daemon has closed it (or the kernel, while it waited) … */
	bool reset;      /* … with RST */
	bool linger;     /* SO_LINGER of 0 s is set */
	int keepalive_s; /* TCP_KEEPIDLE; 0: no SO_KEEPALIVE */

	bool peer_gone; /* the peer has closed it: what it is sent is answered with RST */
	bool dead;      /* RST has come, or the retransmissions are over */
	int error;      /* pending on the socket (SO_ERROR) */

	uint32_t place; /* among those that are open (oracle.c) */

	/* what the daemon has been told and done */
	int told;                     /* the last errno that ends a connection, or 0 */
	bool blocked;                 /* the last send left something */
	bool refused;                 /* its source had its share: it has to be closed at once */
	bool client_refused;          /* so had that of the client that its header names */
	uint64_t opened_ns, moved_ns; /* accepted; bytes last moved, or the first refusal */
	uint64_t known_ns;            /* accepted, as far as the EXIT line knows */
	uint64_t moved_awake;         /* the same on clock_awake() */
	uint64_t acked_ns;            /* when bytes last began to wait, or some were acknowledged */
	uint64_t acked_awake;
	uint64_t grace_ns;  /* by which its timeouts may be late because of reloads */
	uint64_t iteration; /* the one that receives and sends are of */
	unsigned receives, sends;
};

/* The daemon has done something that its peer may have waited for. Defined by peers.c and
 * million.c.
 */
void stream_on_moved(struct stream *stream);

/* What the daemon calls: bytes or a negative errno. */
ssize_t stream_receive(struct stream *stream, void *buffer, size_t size, int flags);
ssize_t stream_send(struct stream *stream, const void *buffer, size_t size, int flags);
void stream_accept(struct stream *stream, int peer_fd);
void stream_shut(struct stream *stream);
void stream_close(struct stream *stream, bool abort);

/* The peer's kernel acknowledges what it has room for. Returns whether that was anything. */
bool stream_peer_acknowledges(struct stream *stream);
bool stream_peer_can_acknowledge(const struct stream *stream);

/* What TCP_INFO tells: bytes acknowledged, with FIN as one more; and SO_ERROR, once. */
uint64_t stream_bytes_acked(const struct stream *stream);
int stream_error(struct stream *stream);

uint32_t stream_readiness(const struct stream *stream);

/* Whether the header has not been taken: nothing but looks at it is allowed. */
bool stream_awaits_header(const struct stream *stream);

/* Bytes that the daemon has received and not sent, and so holds in a ring. */
uint64_t stream_held(const struct stream *stream);

/* Bytes that the peer can write now. */
uint64_t stream_peer_room(const struct stream *stream);

/* What the peer does. Both return how many bytes moved, at most size. */
uint64_t stream_peer_writes(struct stream *stream, uint64_t size);
uint64_t stream_peer_reads(struct stream *stream, uint64_t size);
void stream_peer_writes_header(struct stream *stream, uint32_t size);
void stream_peer_finishes(struct stream *stream);
void stream_peer_closes(struct stream *stream);
void stream_peer_resets(struct stream *stream);

/* The kernel gives up on a peer that vanished. */
void stream_times_out(struct stream *stream);

/* The daemon has closed its end and everything before that has been read. */
bool stream_at_end(const struct stream *stream);

/* Makes the table of bytes, once. */
void stream_make_bytes(void);
