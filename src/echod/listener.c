#include "echod/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/socket.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum {
	BACKLOG = 4096,
	KEEPALIVE_PROBES = 3,
	KEEPALIVE_INTERVAL_S = 30,
	/* What TCP holds unsent for a peer that does not read; without it, megabytes (tcp(7)). */
	NOTSENT_LOWAT_BYTES = 128 * 1024,
	FREE_PORT_ATTEMPTS = 32,
};

void
listener_close(struct listener *listener)
{
	if (listener->listen_fd >= 0)
		close(listener->listen_fd);
	listener->listen_fd = -1;
}

/* All but the one for the counters. */
static void
close_echo_listeners(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++)
		listener_close(&listeners->all[i]);
	free(listeners->all);
	listeners->all = NULL;
	listeners->count = 0;
}

void
listeners_close(struct listeners *listeners)
{
	close_echo_listeners(listeners);
	if (listeners->stats.handed_over)
		listener_close(&listeners->stats);
	*listeners = (struct listeners){0};
}

static int
set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Best effort: a family without an option does without it. */
static void
tune_stream(int fd, uint64_t keepalive_ms)
{
	set_option(fd, SOL_SOCKET, SO_OOBINLINE, 1); /* urgent bytes are bytes */
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive_ms > 0);
	if (keepalive_ms > 0) {
		set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)((keepalive_ms + 999) / 1000));
		set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
		set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
	}
}

static int
get_option(int fd, int name, int *value)
{
	socklen_t length = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, name, value, &length) < 0 ? -errno : 0;
}

/* As large as wanted, or as the system permits; never smaller than it was handed over. */
static void
enlarge_buffer(int fd, int name, int force_name, int lock)
{
	int size = 0, locks = 0;

	get_option(fd, name, &size);
	if (size >= 2 * LISTENER_DATAGRAM_BUFFER) /* socket(7): twice what was set */
		return;
	if (set_option(fd, SOL_SOCKET, force_name, LISTENER_DATAGRAM_BUFFER) == 0)
		return;
	get_option(fd, SO_BUF_LOCK, &locks);
	if (!(locks & lock))
		set_option(fd, SOL_SOCKET, name, LISTENER_DATAGRAM_BUFFER);
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
	enlarge_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE, SOCK_RCVBUF_LOCK);
	enlarge_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, SOCK_SNDBUF_LOCK);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	set_option(fd, IPPROTO_IP, IP_RECVTOS, options->dscp);
	if (family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, options->dscp);
	set_option(fd, IPPROTO_UDP, UDP_GRO, options->udp_offload); /* Linux 5.0 */
	return learn_destinations(fd, family);
}

/* Checks a socket and makes it ours to use. */
static int
adopt(struct listener *listener, const struct options *options)
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
	if (listener->type != SOCK_DGRAM && !accepts)
		return -EPROTOTYPE;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	if (listener->type == SOCK_DGRAM)
		return tune_datagram(fd, listener->address.any.sa_family, options);
	tune_stream(fd, options->keepalive);
	return 0;
}

/* What adopt() and the calls before it return, in words. */
static const char *
explain(int error)
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

static struct listener *
add(struct listeners *listeners, int fd, bool handed_over)
{
	struct listener *more =
	        realloc(listeners->all, (listeners->count + 1) * sizeof(*listeners->all));

	if (!more)
		return NULL;
	listeners->all = more;
	more[listeners->count] = (struct listener){.listen_fd = fd, .handed_over = handed_over};
	return &more[listeners->count++];
}

/* Of several the last one counts, and the others are left alone. */
static struct listener *
set_stats(struct listeners *listeners, int fd)
{
	listeners->stats = (struct listener){.listen_fd = fd, .handed_over = true};
	return &listeners->stats;
}

static int
take_handed_over(struct listeners *listeners, int count, char **names,
        const struct options *options, char *problem, size_t size)
{
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; fd++) {
		const char *name = names[fd - SD_LISTEN_FDS_START];
		struct listener *listener = strcmp(name, LISTENER_STATS_NAME) == 0
		                                    ? set_stats(listeners, fd)
		                                    : add(listeners, fd, true);
		int error = listener ? adopt(listener, options) : -ENOMEM;

		if (listener == &listeners->stats && listener->type == SOCK_DGRAM)
			error = -EPROTOTYPE;
		if (error) {
			snprintf(problem, size,
			        "file descriptor %d handed over (LISTEN_FDS=%d): %s", fd, count,
			        explain(error));
			return error;
		}
	}
	return 0;
}

/* Opens, binds and adopts one socket. Returns 0 or a negative errno. */
static int
open_one(struct listeners *listeners, const struct address *address, int type, bool dual_stack,
        const struct options *options)
{
	int family = address->any.sa_family;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct listener *listener;
	struct in_addr mapped;

	if (fd < 0)
		return -errno;
	listener = add(listeners, fd, false);
	if (!listener) {
		close(fd);
		return -ENOMEM;
	}
	if (family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY,
		        !dual_stack && !address_as_ipv4(address, &mapped));
	if (type == SOCK_STREAM)
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, &address->any, address->length) < 0 ||
	        (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return -errno;
	return adopt(listener, options);
}

/* TCP and UDP on one address. A free port is the same for all sockets: *port keeps it. */
static int
open_address(struct listeners *listeners, struct address *address, bool dual_stack, uint16_t *port,
        const struct options *options, char *problem, size_t size)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	const bool wanted[] = {options->tcp, options->udp};
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < 2; i++) {
		bool any_port = address_port(address) == 0;
		int error;

		if (!wanted[i])
			continue;
		if (any_port)
			address_set_port(address, *port);
		error = open_one(listeners, address, types[i], dual_stack, options);
		if (error) {
			snprintf(problem, size, "listen on %s over %s: %s",
			        address_format(address, text, sizeof(text)),
			        types[i] == SOCK_STREAM ? "TCP" : "UDP", explain(error));
			return error;
		}
		if (any_port)
			*port = address_port(&listeners->all[listeners->count - 1].address);
	}
	return 0;
}

static int
open_everywhere(struct listeners *listeners, uint16_t *port, const struct options *options,
        char *problem, size_t size)
{
	struct address any = {.length = sizeof(any.in6), .in6 = {.sin6_family = AF_INET6}};
	int error;

	address_set_port(&any, (uint16_t)options->port);
	error = open_address(listeners, &any, true, port, options, problem, size);
	if (error != -EAFNOSUPPORT && error != -EADDRNOTAVAIL)
		return error;
	close_echo_listeners(listeners); /* a host without IPv6 */
	any = (struct address){.length = sizeof(any.in4), .in4 = {.sin_family = AF_INET}};
	address_set_port(&any, (uint16_t)options->port);
	return open_address(listeners, &any, false, port, options, problem, size);
}

static int
open_all(struct listeners *listeners, uint16_t *free_port, const struct options *options,
        char *problem, size_t size)
{
	int error = 0;

	if (options->listen.count == 0)
		return open_everywhere(listeners, free_port, options, problem, size);
	for (size_t i = 0; i < options->listen.count && !error; i++) {
		struct address address = options->listen.addresses[i].address;

		error = open_address(listeners, &address, false, free_port, options, problem, size);
	}
	return error;
}

static int
take_all_handed_over(
        struct listeners *listeners, const struct options *options, char *problem, size_t size)
{
	const struct option_setting *given = options_listening(options);
	char **names = NULL, text[128];
	int count = sd_listen_fds_with_names(1, &names), error;

	if (count < 0) {
		snprintf(problem, size,
		        "LISTEN_PID, LISTEN_FDS or LISTEN_FDNAMES in the environment: %s",
		        strerror(-count));
		return count;
	}
	error = take_handed_over(listeners, count, names, options, problem, size);
	if (!error && listeners->count > 0 && given) {
		snprintf(problem, size, "%s: contradicts the sockets handed over (LISTEN_FDS=%d)",
		        option_setting_name(given, text, sizeof(text)), count);
		error = -EUSERS;
	}
	if (!error && listeners->stats.handed_over && options->stats_socket) {
		snprintf(problem, size, "--stats-socket: contradicts the one handed over (%s)",
		        LISTENER_STATS_NAME);
		error = -EUSERS;
	}
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return error;
}

int
listeners_open(
        struct listeners *listeners, const struct options *options, char *problem, size_t size)
{
	int attempts = FREE_PORT_ATTEMPTS, error;
	uint16_t free_port;

	*listeners = (struct listeners){0};
	error = take_all_handed_over(listeners, options, problem, size);
	if (error || listeners->count > 0)
		return error;
	if (options->activated) {
		snprintf(problem, size,
		        "--activated: no sockets were handed over; start a socket unit (echod.socket)");
		return -EUSERS;
	}
	/* A port that TCP finds free may be in use over UDP: then another one is tried. */
	do {
		free_port = 0;
		close_echo_listeners(listeners);
		error = open_all(listeners, &free_port, options, problem, size);
	} while (error == -EADDRINUSE && free_port != 0 && --attempts > 0);
	return error;
}
