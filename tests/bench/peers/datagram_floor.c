/* The yardstick for datagrams: the loop everybody writes first. Usage: datagram_floor PORT
 * [ADDRESS] */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

static char buffer[65536];

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
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);
		ssize_t n =
		        recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&peer, &length);

		if (n >= 0)
			sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&peer, length);
	}
}
