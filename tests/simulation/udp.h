/*
 * The daemon's UDP socket and those who send to it. What comes back is compared at once with what
 * was sent.
 */
#ifndef ECHOD_SIMULATION_UDP_H
#define ECHOD_SIMULATION_UDP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* What the daemon's counters have to say. */
struct udp_count {
	uint64_t received, received_bytes, answered, answered_bytes, refused, failed,
	        receive_errors;
};

struct udp;

void udp_begin(void);
struct udp *udp_new(int fd, int family);
uint32_t udp_readiness(const struct udp *udp);

/* Somebody sends a datagram to the socket; it is lost when nobody has one open. */
void udp_arrive(void);

/* As recvmmsg(2) and sendmmsg(2): messages or a negative errno. */
int udp_receive(struct udp *udp, struct mmsghdr *messages, unsigned most);
int udp_send(struct udp *udp, const struct mmsghdr *messages, unsigned count);

void udp_close(struct udp *udp);
const struct udp_count *udp_counted(void);

/* Datagrams that wait to be received. */
uint32_t udp_waiting(void);

#endif
