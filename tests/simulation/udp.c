#include "udp.h"

#include "epoll.h"
#include "faults.h"
#include "random.h"
#include "trace.h"

#include "echod/address.h"

#include <errno.h>
#include <string.h>

enum {
	QUEUE = 256,
	SIZE_MOST = 1472,
	FIRST_PORT = 20000, /* each datagram has a source port of its own, so a reply tells whose it
	                       is */
	OUR_PORT = 50007,
	LOOPBACK = 1, /* the interface */
};

struct datagram {
	struct in_addr source4, hit4, local4;
	struct in6_addr source6, hit6;
	uint16_t port;
	uint32_t size;
	bool v4, refused, owed;
};

struct udp {
	int fd;
	int family;
	struct datagram all[QUEUE];
	uint32_t first, end; /* those that wait, counted from the start */
};

static struct {
	struct udp socket;
	struct udp_count count;
	unsigned char bytes[SIZE_MOST + QUEUE];
} state;

void
udp_begin(void)
{
	state.socket.fd = -1;
	state.socket.first = state.socket.end = 0;
	memset(&state.count, 0, sizeof(state.count));
	for (size_t i = 0; i < sizeof(state.bytes); i++)
		state.bytes[i] = (unsigned char)(i * 31 + i / 251);
}

struct udp *
udp_new(int fd, int family)
{
	expect(state.socket.fd < 0, "two UDP sockets are opened");
	state.socket.fd = fd;
	state.socket.family = family;
	return &state.socket;
}

void
udp_close(struct udp *udp)
{
	udp->fd = -1;
	udp->first = udp->end;
}

uint32_t
udp_readiness(const struct udp *udp)
{
	return EPOLLOUT | (udp->end > udp->first ? EPOLLIN : 0u);
}

uint32_t
udp_waiting(void)
{
	return state.socket.fd < 0 ? 0 : state.socket.end - state.socket.first;
}

const struct udp_count *
udp_counted(void)
{
	return &state.count;
}

/* Gives a datagram one of the traits that forbid an answer. */
static void
spoil(struct datagram *d)
{
	static const uint16_t ports[] = {
	        0, 7, 53, 1023, 1900, 2049, 3702, 5353, 5355, 11211, OUR_PORT};

	d->refused = true;
	switch (random_below(4)) {
	case 0:
		d->port = ports[random_below(sizeof(ports) / sizeof(ports[0]))];
		break;
	case 1: /* multicast as source; loopback from elsewhere is as bad */
		d->source4.s_addr = htonl(random_one_in(2) ? 0xe0000001 : 0x7f000001);
		d->source6.s6_addr[0] = 0xff;
		break;
	case 2: /* broadcast or multicast as destination */
		d->hit4.s_addr = htonl(random_one_in(2) ? 0xc0a801ff : 0xe0000001);
		d->hit6.s6_addr[0] = 0xff;
		break;
	default:
		d->source4.s_addr = 0;
		d->source6 = in6addr_any;
		break;
	}
}

void
udp_arrive(void)
{
	struct udp *all = &state.socket;
	struct datagram *d = &all->all[all->end % QUEUE];

	if (all->fd < 0 || all->end - all->first == QUEUE)
		return;
	*d = (struct datagram){
	        .source4.s_addr = htonl(0xc0a80102 + (uint32_t)random_below(3)),
	        .hit4.s_addr = htonl(0xc0a80101),
	        .local4.s_addr = htonl(0xc0a80101),
	        .source6.s6_addr = {0x20, 1, 0xd, 0xb8, [15] = 2},
	        .hit6.s6_addr = {0x20, 1, 0xd, 0xb8, [15] = 1},
	        .port = (uint16_t)(FIRST_PORT + all->end % QUEUE),
	        .size = (uint32_t)random_below(random_one_in(16) ? SIZE_MOST + 1 : 32),
	        .v4 = all->family == AF_INET || random_one_in(2),
	};
	if (random_one_in(4))
		spoil(d);
	trace("datagram", d->port, d->size, d->refused);
	all->end++;
	epoll_wake(all->fd);
}

static struct in6_addr
mapped(struct in_addr ipv4)
{
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(&address.s6_addr[12], &ipv4, sizeof(ipv4));
	return address;
}

static struct address
source_of(const struct udp *udp, const struct datagram *d)
{
	struct address from = {.length = sizeof(from.in6), .in6 = {.sin6_family = AF_INET6}};

	if (udp->family == AF_INET) {
		from = (struct address){.length = sizeof(from.in4),
		        .in4 = {.sin_family = AF_INET, .sin_addr = d->source4}};
	} else {
		from.in6.sin6_addr = d->v4 ? mapped(d->source4) : d->source6;
	}
	address_set_port(&from, d->port);
	return from;
}

static void
tell_arrival(const struct datagram *d, struct msghdr *header)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	struct in_pktinfo info4 = {
	        .ipi_ifindex = LOOPBACK + 1, .ipi_spec_dst = d->local4, .ipi_addr = d->hit4};
	struct in6_pktinfo info6 = {.ipi6_ifindex = LOOPBACK + 1, .ipi6_addr = d->hit6};
	size_t size = d->v4 ? sizeof(info4) : sizeof(info6);

	control->cmsg_level = d->v4 ? IPPROTO_IP : IPPROTO_IPV6;
	control->cmsg_type = d->v4 ? IP_PKTINFO : IPV6_PKTINFO;
	control->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(control), d->v4 ? (void *)&info4 : (void *)&info6, size);
	header->msg_controllen = CMSG_SPACE(size);
}

static void
give(const struct udp *all, struct datagram *d, struct mmsghdr *message)
{
	struct msghdr *header = &message->msg_hdr;
	struct address from = source_of(all, d);

	expect(header->msg_namelen >= from.length && header->msg_iovlen == 1 &&
	                header->msg_iov->iov_len >= d->size &&
	                header->msg_controllen >= CMSG_SPACE(sizeof(struct in6_pktinfo)),
	        "recvmmsg: a message has no room for a datagram");
	memcpy(header->msg_name, &from.storage, from.length);
	header->msg_namelen = from.length;
	memcpy(header->msg_iov->iov_base, state.bytes + d->port % QUEUE, d->size);
	message->msg_len = d->size;
	header->msg_flags = 0;
	tell_arrival(d, header);
	d->owed = !d->refused;
	state.count.received++;
	state.count.received_bytes += d->size;
	state.count.refused += d->refused;
}

int
udp_receive(struct udp *all, struct mmsghdr *messages, unsigned most)
{
	int error = fault(CALL_RECVMMSG);
	unsigned count = 0;

	if (error) {
		state.count.receive_errors += error != EAGAIN && error != EINTR;
		return -error;
	}
	if (all->first == all->end)
		return -EAGAIN;
	most = (unsigned)fault_cut(most);
	while (count < most && all->first < all->end)
		give(all, &all->all[all->first++ % QUEUE], &messages[count++]);
	return (int)count;
}

static void
check_from(const struct datagram *d, struct msghdr *header)
{
	const struct cmsghdr *control = CMSG_FIRSTHDR(header);
	struct in_pktinfo info4;
	struct in6_pktinfo info6;

	expect(control, "a reply does not say where it leaves from");
	if (d->v4) {
		memcpy(&info4, CMSG_DATA(control), sizeof(info4));
		expect(control->cmsg_type == IP_PKTINFO &&
		                info4.ipi_spec_dst.s_addr == d->local4.s_addr,
		        "a reply to port %u leaves from another address than was hit", d->port);
	} else {
		memcpy(&info6, CMSG_DATA(control), sizeof(info6));
		expect(control->cmsg_type == IPV6_PKTINFO &&
		                memcmp(&info6.ipi6_addr, &d->hit6, sizeof(d->hit6)) == 0,
		        "a reply to port %u leaves from another address than was hit", d->port);
	}
}

static struct datagram *
check_reply(struct udp *all, const struct mmsghdr *message)
{
	struct msghdr header = message->msg_hdr;
	struct address to = {.length = header.msg_namelen}, from;
	struct datagram *d;

	memcpy(&to.storage, header.msg_name, header.msg_namelen);
	d = &all->all[(uint16_t)(address_port(&to) - FIRST_PORT) % QUEUE];
	expect(address_port(&to) == d->port, "a reply goes to port %u, which sent nothing",
	        address_port(&to));
	expect(d->owed, "a reply to port %u that is not owed: sent twice, or refused", d->port);
	from = source_of(all, d);
	expect(from.length == to.length && memcmp(&from.storage, &to.storage, to.length) == 0,
	        "a reply to port %u goes to another address", d->port);
	expect(header.msg_iovlen == 1 && header.msg_iov->iov_len == d->size &&
	                memcmp(header.msg_iov->iov_base, state.bytes + d->port % QUEUE, d->size) ==
	                        0,
	        "a reply to port %u has other bytes", d->port);
	check_from(d, &header);
	return d;
}

int
udp_send(struct udp *all, const struct mmsghdr *messages, unsigned count)
{
	unsigned sent = (unsigned)fault_cut(count);
	int error = fault(CALL_SENDMMSG);

	if (error) {
		if (error != EINTR) {
			check_reply(all, &messages[0])->owed = false;
			state.count.failed++;
		}
		return -error;
	}
	for (unsigned i = 0; i < sent; i++) {
		struct datagram *d = check_reply(all, &messages[i]);

		d->owed = false;
		state.count.answered++;
		state.count.answered_bytes += d->size;
	}
	return (int)sent;
}
