/*
 * The floor of the batch way: epoll says which connections are ready, and what all of them have
 * sent is received in one io_uring submission and sent back in a second. Otherwise as bare as
 * floor.c.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, BACKLOG = 4096, EVENTS = 256, ACCEPTS = 64 };

struct peer {
	int fd, result;
	char *buffer; /* of this turn */
	char *rest;   /* not yet taken by the kernel */
	size_t length, sent;
};

static struct io_uring ring;
static char *buffers;
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
keep_rest(struct peer *peer)
{
	size_t sent = peer->result > 0 ? (size_t)peer->result : 0;

	if (sent == peer->length)
		return;
	peer->length -= sent;
	peer->sent = 0;
	peer->rest = malloc(peer->length);
	memcpy(peer->rest, peer->buffer + sent, peer->length);
	await(peer, EPOLL_CTL_MOD, EPOLLOUT);
}

/* Every request ends while it is submitted: none may wait. */
static void
submit(unsigned n)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	io_uring_submit_and_wait(&ring, n);
	io_uring_for_each_cqe(&ring, head, cqe)
	{
		((struct peer *)(unsigned long)cqe->user_data)->result = cqe->res;
		seen++;
	}
	io_uring_cq_advance(&ring, seen);
}

static void
echo(struct peer **ready, unsigned n)
{
	unsigned n_sends = 0;

	for (unsigned i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		ready[i]->buffer = buffers + (size_t)i * BUFFER;
		io_uring_prep_recv(sqe, ready[i]->fd, ready[i]->buffer, BUFFER, MSG_DONTWAIT);
		sqe->user_data = (unsigned long)ready[i];
	}
	submit(n);
	for (unsigned i = 0; i < n; i++) {
		struct peer *peer = ready[i];
		struct io_uring_sqe *sqe;

		if (peer->result <= 0) {
			if (peer->result != -EAGAIN)
				end(peer);
			continue;
		}
		peer->length = (size_t)peer->result;
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_send(
		        sqe, peer->fd, peer->buffer, peer->length, MSG_DONTWAIT | MSG_NOSIGNAL);
		sqe->user_data = (unsigned long)peer;
		ready[n_sends++] = peer;
	}
	if (n_sends > 0)
		submit(n_sends);
	for (unsigned i = 0; i < n_sends; i++)
		keep_rest(ready[i]);
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

static bool
set_up(int listen_fd, unsigned short port)
{
	struct io_uring_params params = {
	        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	        .sin_port = htons(port)};

	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	epoll_fd = epoll_create1(0);
	buffers = aligned_alloc(4096, (size_t)EVENTS * BUFFER);
	return buffers && io_uring_queue_init_params(EVENTS, &ring, &params) == 0 &&
	       bind(listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	       listen(listen_fd, BACKLOG) == 0;
}

int
main(int argc, char **argv)
{
	int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct peer listener = {.fd = listen_fd}, *ready[EVENTS];
	struct epoll_event events[EVENTS];

	if (!set_up(listen_fd, (unsigned short)atoi(argc > 1 ? argv[1] : "0")))
		return 1;
	await(&listener, EPOLL_CTL_ADD, EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS, -1);
		unsigned n_ready = 0;

		for (int i = 0; i < n; i++) {
			struct peer *peer = events[i].data.ptr;

			if (peer == &listener)
				accept_some(listen_fd);
			else if (peer->rest)
				send_rest(peer);
			else
				ready[n_ready++] = peer;
		}
		if (n_ready > 0)
			echo(ready, n_ready);
	}
}
