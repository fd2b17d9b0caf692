/*
 * A scripted kernel for a connection's system calls: a queue of what the peer sent, a budget of
 * what the kernel takes, and errors at will. recv(2) and send(2) of the module under test end here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KERNEL_QUEUE = 1 << 20,
};

struct kernel {
	unsigned char queue[KERNEL_QUEUE]; /* sent by the peer, not yet received */
	size_t queued;
	bool finished;       /* FIN follows the queue */
	int receive_error;   /* errno of every receive, before the queue; 0 for none */
	size_t most_at_once; /* a receive gives no more than this; 0: no bound */

	unsigned char echoed[KERNEL_QUEUE]; /* what send() has taken */
	size_t taken;
	size_t window;  /* bytes that send() will take */
	int send_error; /* errno of every send; 0 for none */

	int take_error; /* errno of receives that throw away (MSG_TRUNC); 0: none */
	bool lost;      /* and there is nothing for them */

	uint64_t acked; /* TCP_INFO: bytes that the peer has acknowledged */
	int death;      /* the connection has died of this errno; 0: it lives */
	size_t asked;   /* calls for TCP_INFO */
	bool shut;      /* FIN was sent before close(2) */

	int interrupts;                   /* so many calls fail with EINTR first */
	size_t receives, sends, controls; /* calls */
	bool aborted;                     /* SO_LINGER 0 was set: RST */
};

extern struct kernel kernel;

/* An idle connection to a peer that takes everything. */
void kernel_reset(void);

/* The peer sends length bytes, going on with a fixed pattern. */
void kernel_peer_sends(size_t length);

/* Whether what was echoed is what was sent, from the first byte on, length bytes. */
bool kernel_echoed_exactly(size_t length);
