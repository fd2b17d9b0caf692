#include "echod/datagram.h"

#include "echod/log.h"
#include "echod/pool.h"
#include "echod/reflector.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	BATCH = 64,
	/* No datagram is larger: 65507 bytes over IPv4, 65527 over IPv6. */
	DATAGRAM_SIZE = 65536,
	LOOPBACK_IFINDEX = 1, /* in every network namespace */
};

struct control {
	alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) +
	                                   CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* One batch, used by all sockets in turn. */
struct batch {
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_bytes[BATCH], out_bytes[BATCH];
	struct address from[BATCH];
	struct control in_control[BATCH], out_control[BATCH];
	unsigned char bytes[BATCH][DATAGRAM_SIZE];
};

struct datagrams {
	struct ev_loop *loop;
	struct stats *stats;
	struct batch *batch;
	struct reflector_ports ports;
	size_t n_watchers;
	struct ev_io watchers[];
};

/* Where a datagram was sent to, from the control messages. */
struct arrival {
	const struct in_pktinfo *v4;
	const struct in6_pktinfo *v6;
};

static void
prepare(struct batch *batch, size_t i)
{
	batch->in_bytes[i] = (struct iovec){batch->bytes[i], DATAGRAM_SIZE};
	batch->in[i].msg_hdr = (struct msghdr){
	        .msg_name = &batch->from[i].storage,
	        .msg_namelen = sizeof(batch->from[i].storage),
	        .msg_iov = &batch->in_bytes[i],
	        .msg_iovlen = 1,
	        .msg_control = batch->in_control[i].bytes,
	        .msg_controllen = sizeof(batch->in_control[i].bytes),
	};
}

/*
 * A datagram that was queued before the socket was handed over and IP_PKTINFO set tells where it
 * was sent to, but not which address of ours that is. Only a broadcast's differ, and the kernel
 * does not send from a broadcast address (EINVAL).
 */
static struct in_addr
local_address(const struct in_pktinfo *info)
{
	return info->ipi_spec_dst.s_addr == INADDR_ANY ? info->ipi_addr : info->ipi_spec_dst;
}

static struct arrival
find_arrival(struct msghdr *message)
{
	struct arrival arrival = {0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			arrival.v4 = (const void *)CMSG_DATA(c);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			arrival.v6 = (const void *)CMSG_DATA(c);
	}
	return arrival;
}

static struct in6_addr
mapped(struct in_addr ipv4)
{
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(&address.s6_addr[12], &ipv4, sizeof(ipv4));
	return address;
}

static enum reflector_verdict
judge(const struct datagrams *datagrams, const struct msghdr *message, const struct address *from,
        const struct arrival *arrival)
{
	struct reflector_datagram datagram = {
	        .source_port = address_port(from), .truncated = message->msg_flags & MSG_TRUNC};
	unsigned interface = 0;
	struct in_addr ipv4;

	if (address_as_ipv4(from, &ipv4) && arrival->v4) {
		datagram.source = mapped(ipv4);
		datagram.hit = mapped(arrival->v4->ipi_addr);
		datagram.local = mapped(local_address(arrival->v4));
		interface = (unsigned)arrival->v4->ipi_ifindex;
	} else if (from->any.sa_family == AF_INET6 && arrival->v6) {
		datagram.source = from->in6.sin6_addr;
		datagram.hit = datagram.local = arrival->v6->ipi6_addr;
		interface = arrival->v6->ipi6_ifindex;
	} else if (from->any.sa_family == AF_INET || from->any.sa_family == AF_INET6) {
		return REFLECTOR_DESTINATION; /* not told where it was sent to */
	} else {
		/* another family (UNIX): nobody can forge a source; one without a name has no
		 * answer */
		return datagram.truncated                                  ? REFLECTOR_TRUNCATED
		       : from->length > offsetof(struct sockaddr, sa_data) ? REFLECTOR_ANSWER
		                                                           : REFLECTOR_SOURCE;
	}
	/* 0: queued before the socket was handed over, and past the kernel's check for martians */
	datagram.on_loopback = interface == LOOPBACK_IFINDEX || interface == 0;
	return reflector_verdict(&datagrams->ports, &datagram);
}

static bool
count_verdict(struct stats *stats, enum reflector_verdict verdict)
{
	switch (verdict) {
	case REFLECTOR_ANSWER:
		return true;
	case REFLECTOR_TRUNCATED:
		stats->udp_refused_truncated++;
		break;
	case REFLECTOR_SOURCE:
		stats->udp_refused_source++;
		break;
	case REFLECTOR_DESTINATION:
		stats->udp_refused_destination++;
		break;
	case REFLECTOR_PORT:
		stats->udp_refused_port++;
		break;
	}
	return false;
}

static void
append_control(struct msghdr *message, int level, int type, const void *data, size_t size)
{
	struct cmsghdr *c =
	        (struct cmsghdr *)((char *)message->msg_control + message->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), data, size);
	message->msg_controllen += CMSG_SPACE(size);
}

/* The reply: the same bytes to where they came from, from the address that was hit. The interface
 * is named for link-local peers alone; for others the routing table knows better. */
static void
address_reply(struct msghdr *reply, const struct address *from, const struct arrival *arrival)
{
	struct in_addr ipv4;

	if (address_as_ipv4(from, &ipv4) && arrival->v4) {
		struct in_pktinfo info = {.ipi_spec_dst = local_address(arrival->v4)};

		append_control(reply, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (arrival->v6) {
		struct in6_pktinfo info = {.ipi6_addr = arrival->v6->ipi6_addr};

		if (IN6_IS_ADDR_LINKLOCAL(&from->in6.sin6_addr))
			info.ipi6_ifindex = arrival->v6->ipi6_ifindex;
		append_control(reply, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

/* Makes the replies to count datagrams received; returns how many. */
static size_t
answer(struct datagrams *datagrams, size_t count)
{
	struct batch *batch = datagrams->batch;
	struct stats *stats = datagrams->stats;
	size_t replies = 0;

	for (size_t i = 0; i < count; i++) {
		struct msghdr *message = &batch->in[i].msg_hdr;
		struct arrival arrival = find_arrival(message);
		struct address *from = &batch->from[i];

		stats->udp_received++;
		stats->udp_received_bytes += batch->in[i].msg_len;
		from->length = message->msg_namelen;
		if (from->length == 0) /* a nameless UNIX socket; what stands there is old */
			from->any.sa_family = AF_UNSPEC;
		if (!count_verdict(stats, judge(datagrams, message, from, &arrival)))
			continue;
		batch->out_bytes[replies] = (struct iovec){batch->bytes[i], batch->in[i].msg_len};
		batch->out[replies].msg_hdr = (struct msghdr){
		        .msg_name = &from->storage,
		        .msg_namelen = from->length,
		        .msg_iov = &batch->out_bytes[replies],
		        .msg_iovlen = 1,
		        .msg_control = batch->out_control[replies].bytes,
		};
		address_reply(&batch->out[replies].msg_hdr, from, &arrival);
		replies++;
	}
	return replies;
}

static void
send_replies(struct datagrams *datagrams, int fd, size_t count)
{
	struct mmsghdr *out = datagrams->batch->out;
	struct stats *stats = datagrams->stats;

	for (size_t done = 0; done < count;) {
		int sent = sendmmsg(
		        fd, out + done, (unsigned)(count - done), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0) { /* the first one failed: it is dropped, the others are tried */
			stats_count_send_error(stats, errno);
			done++;
			continue;
		}
		for (size_t end = done + (size_t)sent; done < end; done++) {
			stats->udp_answered++;
			stats->udp_answered_bytes += out[done].msg_hdr.msg_iov->iov_len;
		}
	}
}

/* At most one batch a turn: datagrams never keep connections waiting. */
static void
datagrams_on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct datagrams *datagrams = watcher->data;
	int received;

	(void)loop;
	if (events & EV_ERROR) {
		log_line(LOG_ERR,
		        "FAIL: proto=udp epoll does not take the socket (ev(3), EV_ERROR)");
		return;
	}
	received = recvmmsg(watcher->fd, datagrams->batch->in, BATCH, MSG_DONTWAIT, NULL);
	if (received < 0) {
		if (errno != EAGAIN && errno != EINTR)
			datagrams->stats->udp_receive_errors++;
		return;
	}
	send_replies(datagrams, watcher->fd, answer(datagrams, (size_t)received));
	for (size_t i = 0; i < (size_t)received; i++)
		prepare(datagrams->batch, i);
}

struct datagrams *
datagrams_new(struct ev_loop *loop, struct stats *stats, struct listeners *listeners)
{
	struct datagrams *datagrams =
	        calloc(1, sizeof(*datagrams) + listeners->count * sizeof(struct ev_io));

	if (!datagrams)
		return NULL;
	datagrams->loop = loop;
	datagrams->stats = stats;
	datagrams->batch = pool_map(sizeof(*datagrams->batch));
	if (!datagrams->batch) {
		datagrams_free(datagrams);
		errno = ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < BATCH; i++)
		prepare(datagrams->batch, i);
	reflector_ports_init(&datagrams->ports);
	for (size_t i = 0; i < listeners->count; i++) {
		struct ev_io *watcher = &datagrams->watchers[datagrams->n_watchers];
		const struct listener *listener = &listeners->all[i];

		if (listener->type != SOCK_DGRAM)
			continue;
		reflector_ports_refuse(&datagrams->ports, address_port(&listener->address));
		ev_io_init(watcher, datagrams_on_readable, listener->listen_fd, EV_READ);
		watcher->data = datagrams;
		ev_io_start(loop, watcher);
		datagrams->n_watchers++;
	}
	return datagrams;
}

void
datagrams_free(struct datagrams *datagrams)
{
	if (!datagrams)
		return;
	for (size_t i = 0; i < datagrams->n_watchers; i++)
		ev_io_stop(datagrams->loop, &datagrams->watchers[i]);
	pool_unmap(datagrams->batch, sizeof(*datagrams->batch));
	free(datagrams);
}
