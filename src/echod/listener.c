#include "echod/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/socket.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BACKLOG = 4096,
	STATS_BACKLOG = 128,
	EVERY_USER = 0111, /* umask(2) that makes the stats socket's file mode 0666 */
	KEEPALIVE_PROBES = 3,
	KEEPALIVE_INTERVAL_S = 30,
	/* What TCP holds unsent for a peer that does not read; without it, megabytes (tcp(7)). */
	NOTSENT_LOWAT_BYTES = 128 * 1024,
};

static int
set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

void
listener_set_keepalive(int fd, uint64_t keepalive_ms)
{
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive_ms > 0);
	if (keepalive_ms > 0) {
		set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)((keepalive_ms + 999) / 1000));
		set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
		set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
	}
}

/* Best effort: a family without an option does without it. */
static void
tune_stream(int fd, uint64_t keepalive_ms)
{
	set_option(fd, SOL_SOCKET, SO_OOBINLINE, 1); /* urgent bytes are bytes */
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES);
	listener_set_keepalive(fd, keepalive_ms);
}

static int
get_option(int fd, int name, int *value)
{
	socklen_t length = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, name, value, &length) < 0 ? -errno : 0;
}

/* As large as wanted, or as the system permits; never smaller than it was handed over. */
static void
enlarge_buffer(int fd, int name, int force_name, int lock, int wanted)
{
	int size = 0, locks = 0;

	get_option(fd, name, &size);
	if (size >= 2 * wanted) /* socket(7): twice what was set */
		return;
	if (set_option(fd, SOL_SOCKET, force_name, wanted) == 0)
		return;
	get_option(fd, SO_BUF_LOCK, &locks);
	if (!(locks & lock))
		set_option(fd, SOL_SOCKET, name, wanted);
}

/* The kernel tells the address that a datagram hit. Returns 0, or -EDESTADDRREQ if it does not. */
static int
learn_destinations(int fd, int family)
{
	/* A dual-stack socket needs the IPv4 option too: only that one tells the local address for
	 * v4-mapped peers. */
	if ((family == AF_INET6 && set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) < 0) ||
	        set_option(fd, IPPROTO_IP, IP_PKTINFO, 1) < 0)
		return -EDESTADDRREQ;
	return 0;
}

static int
tune_datagram(int fd, int family, const struct options *options)
{
	enlarge_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE, SOCK_RCVBUF_LOCK, LISTENER_RECEIVE_BUFFER);
	enlarge_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, SOCK_SNDBUF_LOCK, LISTENER_SEND_BUFFER);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	set_option(fd, IPPROTO_IP, IP_RECVTOS, options->dscp);
	if (family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, options->dscp);
	set_option(fd, IPPROTO_UDP, UDP_GRO, options->udp_offload); /* Linux 5.0 */
	return learn_destinations(fd, family);
}

int
listener_adopt(struct listener *listener, const struct options *options)
{
	int fd = listener->listen_fd, flags, accepts = 0, error;

	error = get_option(fd, SO_TYPE, &listener->type);
	if (error)
		return error;
	listener->address.length = sizeof(listener->address.storage);
	if (getsockname(fd, &listener->address.any, &listener->address.length) < 0)
		return -errno;
	if (listener->type == SOCK_STREAM)
		error = get_option(fd, SO_ACCEPTCONN, &accepts);
	if (error)
		return error;
	if (listener->type != SOCK_DGRAM ? !accepts : listener->for_stats)
		return -EPROTOTYPE;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	        fcntl(fd, F_SETFD, 0) < 0) /* a reload takes it along */
		return -errno;
	if (listener->for_stats)
		return 0;
	if (listener->type == SOCK_DGRAM)
		return tune_datagram(fd, listener->address.any.sa_family, options);
	tune_stream(fd, options->keepalive);
	return 0;
}

const char *
listener_explain(int error)
{
	switch (error) {
	case -EPROTOTYPE:
	case -ENOTSOCK:
		return "neither a listening stream socket nor a datagram socket";
	case -EDESTADDRREQ:
		return "not served over UDP: the kernel does not tell which address a datagram hit "
		       "(IP_PKTINFO), and replies could leave from another";
	default:
		return strerror(-error);
	}
}

/* Binds, listens and adopts. Returns 0 or a negative errno. */
static int
open_socket(struct listener *listener, const struct options *options)
{
	const struct address *wanted = &listener->wanted;
	struct in_addr mapped;
	int fd = socket(wanted->any.sa_family, listener->type | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	listener->listen_fd = fd;
	if (wanted->any.sa_family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY,
		        !listener->dual_stack && !address_as_ipv4(wanted, &mapped));
	if (listener->type == SOCK_STREAM)
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, &wanted->any, wanted->length) < 0 ||
	        (listener->type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return -errno;
	return listener_adopt(listener, options);
}

int
listener_open(struct listener *listener, const struct options *options)
{
	int error = open_socket(listener, options);

	if (error && listener->listen_fd >= 0)
		listener_close(listener);
	return error;
}

/* Returns whether the file is a socket that nothing listens on. */
static bool
is_stale(int probe_fd, const struct address *address)
{
	struct stat status;

	return lstat(address->local.sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
	       connect(probe_fd, &address->any, address->length) < 0 && errno == ECONNREFUSED;
}

/* Returns 0 or a negative errno. */
static int
bind_path(int fd, const struct address *address)
{
	mode_t mask = umask(EVERY_USER);
	int error = bind(fd, &address->any, address->length) < 0 ? -errno : 0;

	/* a daemon that was killed leaves its file */
	if (error == -EADDRINUSE && is_stale(fd, address) && unlink(address->local.sun_path) == 0)
		error = bind(fd, &address->any, address->length) < 0 ? -errno : 0;
	umask(mask);
	return error;
}

int
listener_open_stats(struct listener *listener, const char *path)
{
	struct address address = {
	        .length = sizeof(address.local), .local = {.sun_family = AF_UNIX}};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), error;

	if (fd < 0)
		return -errno;
	strncpy(address.local.sun_path, path, sizeof(address.local.sun_path) - 1);
	error = bind_path(fd, &address);
	if (error) {
		close(fd);
		return error;
	}
	*listener = (struct listener){
	        .listen_fd = fd, .type = SOCK_STREAM, .for_stats = true, .address = address};
	if (listen(fd, STATS_BACKLOG) < 0) {
		error = -errno;
		listener_close(listener);
	}
	return error;
}

void
listener_close(struct listener *listener)
{
	if (listener->listen_fd < 0)
		return;
	if (listener->for_stats && !listener->handed_over)
		unlink(listener->address.local.sun_path);
	close(listener->listen_fd);
	listener->listen_fd = -1;
}
