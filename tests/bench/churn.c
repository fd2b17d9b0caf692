/*
 * Connections that come, say one byte, finish, hear it back, and go: COUNT of them, WIDTH at once.
 *
 *	churn PORT COUNT WIDTH
 *
 * Prints the seconds that it took, and p50, p99 and p99.9 in microseconds of the time from what a
 * new connection sent to the end of its echo. Each round comes from another address of 127.0.0.0/8,
 * because the ports of one would run out.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void
require(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "churn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in
loopback(uint32_t host, uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	        .sin_addr.s_addr = htonl(0x7f000000 | host),
	        .sin_port = htons(port)};
}

static double
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int
in_order(const void *one, const void *other)
{
	double difference = *(const double *)one - *(const double *)other;

	return (difference > 0) - (difference < 0);
}

static int
come(uint16_t port, uint32_t host)
{
	struct sockaddr_in from = loopback(host, 0), to = loopback(1, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	require(fd >= 0, "socket");
	setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
	require(bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0, "bind");
	require(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
	require(send(fd, "x", 1, MSG_NOSIGNAL) == 1, "send");
	shutdown(fd, SHUT_WR);
	return fd;
}

static void
go(int fd)
{
	struct timeval patience = {.tv_sec = 20};
	char byte[2];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	require(recv(fd, byte, sizeof(byte), MSG_WAITALL) == 1 && *byte == 'x', "echo");
	close(fd);
}

int
main(int argc, char **argv)
{
	long count = argc == 4 ? atol(argv[2]) : 0, width = argc == 4 ? atol(argv[3]) : 0;
	double start, *sent, *echo;
	uint32_t host = 1;
	int *fds;

	if (count <= 0 || width <= 0 || width > 10000) {
		fputs("usage: churn PORT COUNT WIDTH\n", stderr);
		return 2;
	}
	fds = malloc((size_t)width * sizeof(*fds));
	sent = malloc((size_t)width * sizeof(*sent));
	echo = malloc((size_t)(count + width) * sizeof(*echo));
	require(fds && sent && echo, "memory");
	start = now_us();
	for (long done = 0; done < count; done += width) {
		for (long i = 0; i < width; i++) {
			fds[i] = come((uint16_t)atoi(argv[1]), host);
			sent[i] = now_us();
		}
		for (long i = 0; i < width; i++) {
			go(fds[i]);
			echo[done + i] = now_us() - sent[i];
		}
		host = host % 200 + 1;
	}
	printf("%.6f", (now_us() - start) / 1e6);
	qsort(echo, (size_t)count, sizeof(*echo), in_order);
	printf(" %.1f %.1f %.1f\n", echo[count / 2], echo[count * 99 / 100],
	        echo[count * 999 / 1000]);
	free(echo);
	free(sent);
	free(fds);
	return 0;
}
