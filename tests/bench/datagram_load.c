/*
 * Puts load on a UDP echo and prints how many datagrams came back. Usage:
 *
 *	datagram_load PORT burst|train|clients MILLISECONDS
 *
 * burst    64 datagrams of 64 bytes (sendmmsg), and when all are back the next
 * train    8 such bursts, each handed to the kernel as one (UDP_SEGMENT), and taken so (UDP_GRO)
 * clients  50 sockets, each with one datagram of 64 bytes on its way
 *
 * What does not come back within LOST_MS is given up; so many are printed, too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, BURST = 64, TRAINS = 8, CLIENTS = 50, LOST_MS = 100 };

static char sent[BURST * SIZE], received[BURST][BURST * SIZE];
static struct iovec to_send[BURST], to_receive[BURST];
static struct mmsghdr out[BURST], in[BURST];
static unsigned long back, lost;

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int
connect_to(int port)
{
	struct sockaddr_in there = {.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 1 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (connect(fd, (struct sockaddr *)&there, sizeof(there)) < 0)
		exit(1);
	return fd;
}

static void
collect(int fd, int left)
{
	while (left > 0) {
		struct timeval patience = {.tv_usec = LOST_MS * 1000};
		int n;

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		n = recvmmsg(fd, in, BURST, MSG_WAITFORONE, NULL);
		if (n <= 0) {
			lost += (unsigned long)left;
			return;
		}
		for (int i = 0; i < n; i++) {
			left -= (int)in[i].msg_len / SIZE;
			back += in[i].msg_len / SIZE;
		}
	}
}

static void
bursts(int fd, bool as_train, double end)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
	struct cmsghdr *segment = (struct cmsghdr *)control;
	struct iovec all = {sent, sizeof(sent)};
	struct msghdr train = {.msg_iov = &all,
	        .msg_iovlen = 1,
	        .msg_control = control,
	        .msg_controllen = sizeof(control)};

	*segment = (struct cmsghdr){.cmsg_level = IPPROTO_UDP,
	        .cmsg_type = UDP_SEGMENT,
	        .cmsg_len = CMSG_LEN(sizeof(uint16_t))};
	memcpy(CMSG_DATA(segment), &(uint16_t){SIZE}, sizeof(uint16_t));
	for (int i = 0; i < BURST; i++) {
		to_send[i] = (struct iovec){sent + i * SIZE, SIZE};
		to_receive[i] = (struct iovec){received[i], sizeof(received[i])};
		out[i].msg_hdr = (struct msghdr){.msg_iov = &to_send[i], .msg_iovlen = 1};
		in[i].msg_hdr = (struct msghdr){.msg_iov = &to_receive[i], .msg_iovlen = 1};
	}
	if (as_train)
		setsockopt(fd, IPPROTO_UDP, UDP_GRO, &(int){1}, sizeof(int));
	while (now() < end) {
		if (!as_train)
			sendmmsg(fd, out, BURST, 0);
		for (int i = 0; i < TRAINS && as_train; i++)
			sendmsg(fd, &train, 0);
		collect(fd, as_train ? TRAINS * BURST : BURST);
	}
}

static void
clients(int port, double end)
{
	int epoll_fd = epoll_create1(0), fds[CLIENTS];

	for (int i = 0; i < CLIENTS; i++) {
		struct epoll_event event = {
		        .events = EPOLLIN, .data.fd = fds[i] = connect_to(port)};

		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], &event);
		send(fds[i], sent, SIZE, 0);
	}
	while (now() < end) {
		struct epoll_event events[CLIENTS];
		int n = epoll_wait(epoll_fd, events, CLIENTS, LOST_MS);

		for (int i = 0; i < n; i++) {
			if (recv(events[i].data.fd, received[0], sizeof(received[0]), 0) != SIZE)
				continue;
			back++;
			send(events[i].data.fd, sent, SIZE, 0);
		}
		for (int i = 0; n == 0 && i < CLIENTS; i++, lost++)
			send(fds[i], sent, SIZE, 0);
	}
}

int
main(int argc, char **argv)
{
	int port = argc == 4 ? atoi(argv[1]) : 0;
	double end = now() + (argc == 4 ? atof(argv[3]) / 1000 : 0);

	if (port == 0) {
		fprintf(stderr, "Usage: datagram_load PORT burst|train|clients MILLISECONDS\n");
		return 2;
	}
	if (strcmp(argv[2], "clients") == 0)
		clients(port, end);
	else
		bursts(connect_to(port), strcmp(argv[2], "train") == 0, end);
	printf("%lu %lu\n", back, lost);
	return 0;
}
