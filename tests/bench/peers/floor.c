/*
 * The floor: the barest epoll loop that echoes correctly. One buffer for all connections; what the
 * kernel does not take is copied aside until it does. No limits, no timeouts, no counters.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, BACKLOG = 4096, EVENTS = 64, ACCEPTS = 64 };

struct peer {
	int fd;
	char *rest; /* not yet taken by the kernel */
	size_t length, sent;
};

static char buffer[BUFFER];
static int epoll_fd;

static void
await(struct peer *peer, int operation, unsigned events)
{
	struct epoll_event event = {.events = events, .data.ptr = peer};

	epoll_ctl(epoll_fd, operation, peer->fd, &event);
}

static void
end(struct peer *peer)
{
	close(peer->fd);
	free(peer->rest);
	free(peer);
}

static void
send_rest(struct peer *peer)
{
	ssize_t n =
	        send(peer->fd, peer->rest + peer->sent, peer->length - peer->sent, MSG_NOSIGNAL);

	if (n < 0) {
		end(peer);
		return;
	}
	peer->sent += (size_t)n;
	if (peer->sent < peer->length)
		return;
	free(peer->rest);
	peer->rest = NULL;
	await(peer, EPOLL_CTL_MOD, EPOLLIN);
}

static void
echo(struct peer *peer)
{
	ssize_t received = recv(peer->fd, buffer, BUFFER, 0), sent;

	if (received <= 0) {
		end(peer);
		return;
	}
	sent = send(peer->fd, buffer, (size_t)received, MSG_NOSIGNAL);
	if (sent == received)
		return;
	peer->sent = 0;
	peer->length = (size_t)(received - (sent > 0 ? sent : 0));
	peer->rest = malloc(peer->length);
	memcpy(peer->rest, buffer + received - peer->length, peer->length);
	await(peer, EPOLL_CTL_MOD, EPOLLOUT);
}

static void
accept_some(int listen_fd)
{
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct peer *peer;

		if (fd < 0)
			return;
		peer = calloc(1, sizeof(*peer));
		peer->fd = fd;
		await(peer, EPOLL_CTL_ADD, EPOLLIN);
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct epoll_event events[EVENTS];
	struct peer listener = {.fd = listen_fd};

	address.sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0"));
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	epoll_fd = epoll_create1(0);
	if (bind(listen_fd, (struct sockaddr *)&address, sizeof(address)) ||
	        listen(listen_fd, BACKLOG))
		return 1;
	await(&listener, EPOLL_CTL_ADD, EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct peer *peer = events[i].data.ptr;

			if (peer == &listener)
				accept_some(listen_fd);
			else if (peer->rest)
				send_rest(peer);
			else
				echo(peer);
		}
	}
}
