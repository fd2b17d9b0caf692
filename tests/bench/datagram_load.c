/*
 * Puts load on a UDP echo and prints how many datagrams came back. Usage:
 *
 *	datagram_load ADDRESS PORT MODE MILLISECONDS
 *
 * MODE     each round sends (sendmmsg), and the next begins when all are back:
 * single   1 datagram of 64 bytes
 * eight    8 datagrams of 64 bytes
 * burst    64 datagrams of 64 bytes
 * large    32 datagrams of 1,200 bytes
 * sockets  8 datagrams of 64 bytes from each of 16 sockets
 * train    8 times 64 datagrams of 64 bytes, each 64 as one message (UDP_SEGMENT), received so
 *(UDP_GRO) clients  50 sockets, each with one datagram of 64 bytes in flight: no rounds
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

enum { SIZE = 64, BURST = 64, SOCKETS = 16, CLIENTS = 50, LOST_MS = 100 };

static const struct mode {
	const char *name;
	int sockets, burst;
	size_t size;
	int trains;
} modes[] = {
        {"single", 1, 1, SIZE, 0},
        {"eight", 1, 8, SIZE, 0},
        {"burst", 1, BURST, SIZE, 0},
        {"large", 1, 32, 1200, 0},
        {"sockets", SOCKETS, 8, SIZE, 0},
        {"train", 1, BURST, SIZE, 8},
};

static struct sockaddr_in there = {.sin_family = AF_INET};
static char sent[1 << 16], received[BURST][1 << 16];
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
connect_to_server(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 1 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (connect(fd, (struct sockaddr *)&there, sizeof(there)) < 0)
		exit(1);
	return fd;
}

static void
collect(int fd, size_t size, int left)
{
	struct timeval patience = {.tv_usec = LOST_MS * 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (left > 0) {
		int n = recvmmsg(fd, in, BURST, MSG_WAITFORONE, NULL);

		if (n <= 0) {
			lost += (unsigned long)left;
			return;
		}
		for (int i = 0; i < n; i++) {
			left -= (int)(in[i].msg_len / size);
			back += in[i].msg_len / size;
		}
	}
}

static void
send_trains(int fd, size_t size, int burst, int trains)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
	struct cmsghdr *segment = (struct cmsghdr *)control;
	struct iovec all = {sent, size * (size_t)burst};
	struct msghdr train = {.msg_iov = &all,
	        .msg_iovlen = 1,
	        .msg_control = control,
	        .msg_controllen = sizeof(control)};
	uint16_t bytes = (uint16_t)size;

	*segment = (struct cmsghdr){.cmsg_level = IPPROTO_UDP,
	        .cmsg_type = UDP_SEGMENT,
	        .cmsg_len = CMSG_LEN(sizeof(bytes))};
	memcpy(CMSG_DATA(segment), &bytes, sizeof(bytes));
	for (int i = 0; i < trains; i++)
		sendmsg(fd, &train, 0);
}

static void
rounds(const struct mode *mode, double end)
{
	int fds[SOCKETS];

	for (int i = 0; i < mode->burst; i++) {
		to_send[i] = (struct iovec){sent + (size_t)i * mode->size, mode->size};
		out[i].msg_hdr = (struct msghdr){.msg_iov = &to_send[i], .msg_iovlen = 1};
	}
	for (int i = 0; i < BURST; i++) {
		to_receive[i] = (struct iovec){received[i], sizeof(received[i])};
		in[i].msg_hdr = (struct msghdr){.msg_iov = &to_receive[i], .msg_iovlen = 1};
	}
	for (int i = 0; i < mode->sockets; i++) {
		fds[i] = connect_to_server();
		setsockopt(fds[i], IPPROTO_UDP, UDP_GRO, &(int){mode->trains > 0}, sizeof(int));
	}
	while (now() < end) {
		for (int i = 0; i < mode->sockets; i++) {
			if (mode->trains)
				send_trains(fds[i], mode->size, mode->burst, mode->trains);
			else
				sendmmsg(fds[i], out, (unsigned)mode->burst, 0);
		}
		for (int i = 0; i < mode->sockets; i++)
			collect(fds[i], mode->size,
			        mode->burst * (mode->trains ? mode->trains : 1));
	}
}

static void
clients(double end)
{
	int epoll_fd = epoll_create1(0), fds[CLIENTS];

	for (int i = 0; i < CLIENTS; i++) {
		struct epoll_event event = {
		        .events = EPOLLIN, .data.fd = fds[i] = connect_to_server()};

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
	double end = now() + (argc == 5 ? atof(argv[4]) / 1000 : 0);
	bool done = false;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &there.sin_addr) != 1) {
		fprintf(stderr, "Usage: datagram_load ADDRESS PORT MODE MILLISECONDS\n");
		return 2;
	}
	there.sin_port = htons((uint16_t)atoi(argv[2]));
	if (strcmp(argv[3], "clients") == 0) {
		clients(end);
		done = true;
	}
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[3], modes[i].name) == 0) {
			rounds(&modes[i], end);
			done = true;
		}
	}
	if (!done) {
		fprintf(stderr, "datagram_load: no mode %s\n", argv[3]);
		return 2;
	}
	printf("%lu %lu\n", back, lost);
	return 0;
}
