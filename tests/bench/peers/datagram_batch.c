/* What calls alone can do: a loop of recvmmsg and sendmmsg. Usage: datagram_batch PORT [ADDRESS] */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BATCH = 64 };

/* Some cache lines more than 64 KiB apart, as in echod. */
static char buffers[BATCH][65536 + 3 * 64];
static struct sockaddr_storage peers[BATCH];
static struct iovec iovecs[BATCH];
static struct mmsghdr messages[BATCH];

static void
rearm(int i, size_t room)
{
	iovecs[i] = (struct iovec){buffers[i], room};
	messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
	        .msg_namelen = sizeof(peers[i]),
	        .msg_iov = &iovecs[i],
	        .msg_iovlen = 1};
}

int
main(int argc, char **argv)
{
	struct sockaddr_in here = {.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0)),
	        .sin_addr.s_addr = argc > 2 ? inet_addr(argv[2]) : htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0)
		return 1;
	for (int i = 0; i < BATCH; i++)
		rearm(i, 65536);
	for (;;) {
		int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL), sent = 0;

		for (int i = 0; i < n; i++)
			iovecs[i].iov_len = messages[i].msg_len;
		while (sent < n) {
			int more = sendmmsg(fd, messages + sent, (unsigned)(n - sent), 0);

			sent += more > 0 ? more : 1;
		}
		for (int i = 0; i < n; i++)
			rearm(i, 65536);
	}
}
