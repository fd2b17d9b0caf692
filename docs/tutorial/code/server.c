/* A correct echo server: server PORT. One process for each connection, so that no client waits for another. */
#include <err.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void
echo_until_end(int peer_fd)
{
	char bytes[4096];
	ssize_t received, sent;

	while ((received = recv(peer_fd, bytes, sizeof(bytes), 0)) > 0)
		for (ssize_t at = 0; at < received; at += sent) /* the kernel may take a part */
			if ((sent = send(peer_fd, bytes + at, (size_t)(received - at), MSG_NOSIGNAL)) < 0)
				err(1, "send");
	if (received < 0)
		err(1, "recv");
}

int
main(int argc, char **argv)
{
	struct sockaddr_in here = {.sin_family = AF_INET}; /* every address of this host */
	int listen_fd = socket(AF_INET, SOCK_STREAM, 0), peer_fd, on = 1;

	here.sin_port = htons((in_port_t)atoi(argc > 1 ? argv[1] : "50007"));
	if (listen_fd < 0 || setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	        bind(listen_fd, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(listen_fd, 128) < 0)
		err(1, "cannot listen");
	signal(SIGCHLD, SIG_IGN); /* the kernel removes children that have ended */
	while ((peer_fd = accept(listen_fd, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			echo_until_end(peer_fd);
			exit(0);
		}
		close(peer_fd);
	}
	err(1, "accept");
}
