/*
 * The daemon's UDP socket: the peers that send to it, and its replies.
 */
#pragma once

#include "echod/options.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* What the daemon's counters have to say: datagrams, and bytes in them. */
struct datagrams_count {
	uint64_t received, received_bytes, answered, answered_bytes;
	uint64_t forbidden; /* received, and not to be answered */
	uint64_t receive_errors;
	uint64_t drops; /* messages for which there was no room */
};

struct datagrams;

void datagrams_begin(void);
/* Also after a reload, which changes no tokens. */
void datagrams_serving(const struct options *options);

struct datagrams *datagrams_new(int fd, int family);
void datagrams_close(struct datagrams *udp);
/* setsockopt(2) of the UDP level has succeeded. */
void datagrams_set_option(struct datagrams *udp, int name, int value);
int datagrams_family(const struct datagrams *udp);
uint32_t datagrams_readiness(const struct datagrams *udp);

/* A peer sends a datagram to the socket; it is lost when the daemon has none open. */
void datagrams_arrive(void);

/* As recvmmsg(2), sendmmsg(2) and sendmsg(2): messages, or bytes, or a negative errno. */
int datagrams_receive(struct datagrams *udp, struct mmsghdr *messages, unsigned most);
int datagrams_send_many(struct datagrams *udp, const struct mmsghdr *messages, unsigned count);
ssize_t datagrams_send(struct datagrams *udp, const struct msghdr *message);

const struct datagrams_count *datagrams_counted(void);

/* The kernel is asked for its drops, and says how many, or does not; what was said last. */
void datagrams_drops_asked(bool told);
uint64_t datagrams_drops_known(void);

/* Messages that wait to be received. */
uint32_t datagrams_waiting(void);
