/*
 * The daemon's UDP socket: who sends to it, and what it answers.
 */
#ifndef ECHOD_SIMULATION_UDP_H
#define ECHOD_SIMULATION_UDP_H

#include "echod/options.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* What the daemon's counters have to say: datagrams, and bytes in them. */
struct udp_count {
	uint64_t received, received_bytes, answered, answered_bytes;
	uint64_t forbidden; /* received, and not to be answered */
	uint64_t receive_errors;
	uint64_t drops; /* messages for which there was no room */
};

struct udp;

void udp_begin(void);
void udp_serving(const struct options *options);

struct udp *udp_new(int fd, int family);
void udp_close(struct udp *udp);
int udp_family(const struct udp *udp);
uint32_t udp_readiness(const struct udp *udp);

/* Somebody sends something to the socket; it is lost when the daemon has none open. */
void udp_arrive(void);

/* As recvmmsg(2), sendmmsg(2) and sendmsg(2): messages, or bytes, or a negative errno. */
int udp_receive(struct udp *udp, struct mmsghdr *messages, unsigned most);
int udp_send_many(struct udp *udp, const struct mmsghdr *messages, unsigned count);
ssize_t udp_send(struct udp *udp, const struct msghdr *message);

const struct udp_count *udp_counted(void);

/* The kernel is asked for its drops, and says how many, or does not; what was said last. */
void udp_drops_asked(bool told);
uint64_t udp_drops_known(void);

/* Messages that wait to be received. */
uint32_t udp_waiting(void);

#endif
