/*
 * A kernel that replies are sent to: it keeps what it takes, cut into datagrams, and refuses what
 * it is told to. sendmmsg(2), sendmsg(2) and clock_gettime(2) have to end here (--wrap).
 */
#pragma once

#include "fake_clock.h"

#include "echod/udp_replies.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	SENDING_FD = 7,
	SENDING_MOST = 4096,
	SENDING_BYTES = 1 << 18,
};

struct sending {
	unsigned calls;
	unsigned interrupts;           /* so many calls fail with EINTR first */
	int group_error;               /* errno for messages with UDP_SEGMENT; 0 for none */
	size_t largest;                /* segment that group_error spares */
	uint16_t refusing;             /* peer that group_error is for; 0: every one */
	unsigned errors[SENDING_MOST]; /* errno for the n-th single message; 0 for none */
	unsigned singles;              /* single messages, taken or refused */
	unsigned messages;             /* taken */
	unsigned count;                /* datagrams taken */
	struct {
		uint16_t peer;
		const unsigned char *bytes;
		size_t length;
		int traffic_class;
	} sent[SENDING_MOST];
};

extern struct sending kernel;
extern struct stats stats;
extern struct udp_replies replies;
extern unsigned char sending_bytes[SENDING_BYTES];

/* For setup: everything anew, ten seconds later; a batch has begun. */
int sending_reset(void **state);

/* The kernel forgets what it took, not what it is to refuse. */
void sending_forget(void);

/* Adds sending_bytes from start on, as the reply to a peer that is known by its port. */
void sending_add(uint16_t port, size_t start, struct train train, int traffic_class);

/* Sends the batch and begins the next one. */
void sending_send(void);
