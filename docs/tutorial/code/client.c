/* A correct echo client: client HOST PORT. Sends a message, and compares what comes back. */
#include <err.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	static const char message[] = "Hello, world";
	size_t length = sizeof(message) - 1, at;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *one;
	char bytes[sizeof(message)];
	ssize_t moved;
	int fd = -1, error;

	if (argc != 3)
		errx(2, "usage: client HOST PORT");
	if ((error = getaddrinfo(argv[1], argv[2], &hints, &list)) != 0)
		errx(2, "%s: %s", argv[1], gai_strerror(error));
	for (one = list; one; one = one->ai_next) { /* a name may have many addresses */
		fd = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
		if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) == 0)
			break;
		warn("%s", argv[1]);
		close(fd);
	}
	freeaddrinfo(list);
	if (!one)
		return 2;
	for (at = 0; at < length; at += (size_t)moved) /* the kernel may take a part */
		if ((moved = send(fd, message + at, length - at, MSG_NOSIGNAL)) < 0)
			err(1, "send");
	for (at = 0; at < length; at += (size_t)moved) /* and bring a part */
		if ((moved = recv(fd, bytes + at, length - at, 0)) <= 0)
			err(1, "recv");
	printf("Received '%.*s'\n", (int)at, bytes);
	return memcmp(bytes, message, length) != 0;
}
