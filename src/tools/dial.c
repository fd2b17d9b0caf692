#include "echod/tools/dial.h"

#include "echod/common/reflection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum { MAX_REFUSED = 16 };

/* What only eases things is not worth failing for: errors are left out on purpose. */
static void
set(int peer_fd, int level, int name, int value)
{
	(void)setsockopt(peer_fd, level, name, &value, sizeof(value));
}

static void
tune(int peer_fd, const struct dial *dial)
{
	int traffic_class = dial->dscp << 2;

	if (dial->to.any.sa_family == AF_INET6)
		set(peer_fd, IPPROTO_IPV6, IPV6_TCLASS, traffic_class);
	else
		set(peer_fd, IPPROTO_IP, IP_TOS, traffic_class);
	if (dial->datagram)
		return;
	set(peer_fd, IPPROTO_TCP, TCP_NODELAY, 1);
	/* a chosen port may still be held by a connection that has ended */
	set(peer_fd, SOL_SOCKET, SO_REUSEADDR, 1);
	/* the port is chosen by connect: it need only differ for the same peer */
	set(peer_fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
}

static int
open_bound(const struct dial *dial)
{
	int type = (dial->datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int peer_fd = socket(dial->to.any.sa_family, type, 0);
	struct address any = {.length = dial->to.length};

	if (peer_fd < 0)
		return -errno;
	tune(peer_fd, dial);
	any.any.sa_family = dial->to.any.sa_family;
	const struct address *from = dial->from.length > 0 ? &dial->from : &any;
	if (bind(peer_fd, &from->any, from->length) < 0) {
		int error = -errno;

		close(peer_fd);
		return error;
	}
	return peer_fd;
}

static bool
is_answered(int peer_fd, const struct dial *dial)
{
	struct address source;

	if (dial_source(peer_fd, &source) < 0)
		return false;
	return !reflection_port_refused(address_port(&source)) &&
	       address_port(&source) != address_port(&dial->to);
}

/* Keeps what was refused until the end, or the kernel might hand the same port out again. */
static int
open_answered(const struct dial *dial)
{
	int refused[MAX_REFUSED], n = 0, peer_fd = open_bound(dial);

	while (peer_fd >= 0 && !is_answered(peer_fd, dial)) {
		refused[n++] = peer_fd;
		peer_fd = n < MAX_REFUSED ? open_bound(dial) : -EADDRINUSE;
	}
	while (n > 0)
		close(refused[--n]);
	return peer_fd;
}

int
dial_open(const struct dial *dial)
{
	bool choose = dial->datagram && address_port(&dial->from) == 0;
	int peer_fd = choose ? open_answered(dial) : open_bound(dial);

	if (peer_fd < 0)
		return peer_fd;
	if (connect(peer_fd, &dial->to.any, dial->to.length) < 0 && errno != EINPROGRESS) {
		/* the address is there, or bind would have failed: it is the port that is not */
		int error = errno == EADDRNOTAVAIL ? -EADDRINUSE : -errno;

		close(peer_fd);
		return error;
	}
	return peer_fd;
}

int
dial_result(int peer_fd)
{
	struct address source, peer = {.length = sizeof(peer.storage)};
	socklen_t length = sizeof(int);
	int error;

	if (getsockopt(peer_fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return -errno;
	if (error)
		return -error;
	if (getpeername(peer_fd, &peer.any, &peer.length) < 0)
		return -errno;
	error = dial_source(peer_fd, &source);
	if (error)
		return error;
	return memcmp(&source.any, &peer.any, peer.length) == 0 ? -ECONNREFUSED : 0;
}

int
dial_source(int peer_fd, struct address *source)
{
	*source = (struct address){.length = sizeof(source->storage)};
	return getsockname(peer_fd, &source->any, &source->length) < 0 ? -errno : 0;
}

void
dial_add_tcp_info(int peer_fd, struct tcp_sums *sums)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (getsockopt(peer_fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0)
		dial_add_tcp_sums(sums, &(struct tcp_sums){1, info.tcpi_total_retrans,
		                                info.tcpi_lost, info.tcpi_rtt * UINT64_C(1000)});
}

void
dial_add_tcp_sums(struct tcp_sums *sums, const struct tcp_sums *more)
{
	sums->asked += more->asked;
	sums->retransmits += more->retransmits;
	sums->lost += more->lost;
	sums->rtt_ns += more->rtt_ns;
}
