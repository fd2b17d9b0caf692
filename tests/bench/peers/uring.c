/*
 * An io_uring server at its best: multishot accept and receive, provided buffers, completions
 * deferred to the one thread. A connection's replies go out in order, one send at a time; a buffer
 * is given back when its bytes are sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ENTRIES = 4096,
	COMPLETIONS = 16384,
	BUFFERS = 512, /* a power of 2 */
	BUFFER = 64 * 1024,
	GROUP = 0,
	BACKLOG = 4096,
	NONE = -1,
};

enum operation { ACCEPT, RECEIVE, SEND, MASK = 7 };

struct peer {
	int fd;
	int first, last; /* buffers waiting to be sent, a list */
	bool receiving, sending, ended;
	struct peer *starved; /* the next that waits for a buffer */
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *memory;
static struct {
	unsigned length;
	int next;
} filled[BUFFERS];
static struct peer *starving;

static struct io_uring_sqe *
request(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	while (!sqe) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	return sqe;
}

/* After io_uring_prep_*(), which may clear it. */
static void
tell_apart(struct io_uring_sqe *sqe, void *peer, enum operation operation)
{
	sqe->user_data = (unsigned long)peer | operation;
}

static void
accept_on(int listen_fd)
{
	struct io_uring_sqe *sqe = request();

	io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
	tell_apart(sqe, NULL, ACCEPT);
}

static void
receive(struct peer *peer)
{
	struct io_uring_sqe *sqe = request();

	io_uring_prep_recv_multishot(sqe, peer->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	tell_apart(sqe, peer, RECEIVE);
	peer->receiving = true;
}

static void
send_next(struct peer *peer)
{
	struct io_uring_sqe *sqe = request();

	io_uring_prep_send(sqe, peer->fd, memory + (size_t)peer->first * BUFFER,
	        filled[peer->first].length, MSG_WAITALL | MSG_NOSIGNAL);
	tell_apart(sqe, peer, SEND);
	peer->sending = true;
}

static void
end_if_done(struct peer *peer)
{
	if (!peer->ended || peer->sending || peer->receiving)
		return;
	close(peer->fd);
	free(peer);
}

static void
give_back(int buffer)
{
	io_uring_buf_ring_add(buffers, memory + (size_t)buffer * BUFFER, BUFFER,
	        (unsigned short)buffer, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffers, 1);
}

static void
feed_starving(void)
{
	struct peer *peer = starving;

	if (!peer)
		return;
	starving = peer->starved;
	if (peer->ended)
		end_if_done(peer);
	else
		receive(peer);
}

static void
on_received(struct peer *peer, const struct io_uring_cqe *cqe)
{
	int buffer = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);

	if (!(cqe->flags & IORING_CQE_F_MORE))
		peer->receiving = false;
	if (cqe->res == -ENOBUFS) {
		peer->starved = starving;
		starving = peer;
		return;
	}
	if (cqe->res <= 0) {
		peer->ended = true;
		end_if_done(peer);
		return;
	}
	filled[buffer].length = (unsigned)cqe->res;
	filled[buffer].next = NONE;
	if (peer->first == NONE)
		peer->first = buffer;
	else
		filled[peer->last].next = buffer;
	peer->last = buffer;
	if (!peer->sending)
		send_next(peer);
	if (!peer->receiving)
		receive(peer);
}

static void
on_sent(struct peer *peer, const struct io_uring_cqe *cqe)
{
	int buffer = peer->first;

	peer->sending = false;
	peer->first = filled[buffer].next;
	give_back(buffer);
	if (cqe->res < 0) {
		shutdown(peer->fd, SHUT_RDWR);
		for (; peer->first != NONE; peer->first = filled[peer->first].next)
			give_back(peer->first);
	}
	if (peer->first != NONE)
		send_next(peer);
	else
		end_if_done(peer);
	feed_starving();
}

static void
on_accepted(int listen_fd, const struct io_uring_cqe *cqe)
{
	if (cqe->res >= 0) {
		struct peer *peer = calloc(1, sizeof(*peer));

		*peer = (struct peer){.fd = cqe->res, .first = NONE};
		receive(peer);
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		accept_on(listen_fd);
}

static void
complete(int listen_fd, const struct io_uring_cqe *cqe)
{
	struct peer *peer =
	        (struct peer *)(unsigned long)(cqe->user_data & ~(unsigned long long)MASK);

	switch ((enum operation)(cqe->user_data & MASK)) {
	case ACCEPT:
		on_accepted(listen_fd, cqe);
		break;
	case RECEIVE:
		on_received(peer, cqe);
		break;
	default:
		on_sent(peer, cqe);
		break;
	}
}

static bool
set_up(void)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
	                                          IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
	        .cq_entries = COMPLETIONS};
	struct io_uring_buf_reg registration = {.ring_entries = BUFFERS, .bgid = GROUP};

	if (io_uring_queue_init_params(ENTRIES, &ring, &params) < 0 ||
	        posix_memalign((void **)&buffers, 4096, BUFFERS * sizeof(struct io_uring_buf)) ||
	        posix_memalign((void **)&memory, 4096, (size_t)BUFFERS * BUFFER))
		return false;
	registration.ring_addr = (unsigned long)buffers;
	if (io_uring_register_buf_ring(&ring, &registration, 0) < 0)
		return false;
	io_uring_buf_ring_init(buffers);
	for (int i = 0; i < BUFFERS; i++)
		give_back(i);
	return true;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listen_fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0"));
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (bind(listen_fd, (struct sockaddr *)&address, sizeof(address)) ||
	        listen(listen_fd, BACKLOG) || !set_up())
		return 1;
	accept_on(listen_fd);
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		io_uring_submit_and_wait(&ring, 1);
		io_uring_for_each_cqe(&ring, head, cqe)
		{
			complete(listen_fd, cqe);
			seen++;
		}
		io_uring_cq_advance(&ring, seen);
	}
}
