/*
 * The kernel's side of control messages: put_cmsg() of net/core/scm.c, with messages made up by a
 * fuzzer.
 */
#pragma once

#include "fuzz.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* What the whole ones among them said; of several of a kind, the last. IPv4 is v4-mapped. */
struct told {
	bool has_v4, has_v6;
	struct in6_addr destination4, local4, destination6;
	unsigned interface4, interface6;
	uint8_t traffic_class;
	uint16_t segment;
};

/* An address of a kind that matters or, unless they are to be few, any. */
void input_address(struct input *input, struct in6_addr *address, bool few);

/*
 * Puts messages into the room of message until the fuzzer has had enough of them. One that does not
 * fit is cut, and MSG_CTRUNC is set. The room is message's msg_controllen, which becomes what was
 * used of it.
 */
void control_messages_put(struct msghdr *message, struct input *input, struct told *told);
