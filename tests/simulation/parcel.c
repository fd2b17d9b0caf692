#include "parcel.h"

#include "random.h"
#include "trace.h"

#include <linux/udp.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>

enum {
	DATAGRAM_MOST = 1472,
	TRAIN_MOST = 16, /* datagrams */
	SIZE_MOST = DATAGRAM_MOST * TRAIN_MOST,
	OUR_PORT = 50007,
	INTERFACE = 2, /* not the loopback */
	DSCP_MASK = 0xfc,
};

static unsigned char bytes[SIZE_MOST + PARCEL_SLOTS];

void
parcel_make_bytes(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 31 + i / 251);
}

static const unsigned char *
bytes_of(const struct parcel *p, uint32_t offset)
{
	return bytes + p->slot + offset;
}

static struct in6_addr
v4(uint32_t address)
{
	return address_mapped((struct in_addr){.s_addr = htonl(address)});
}

static struct in6_addr
v6(uint8_t first, uint8_t second, uint8_t last)
{
	return (struct in6_addr){.s6_addr = {first, second, [15] = last}};
}

/* Gives it one of the traits that forbid an answer. */
static void
forbid(struct parcel *p, bool is_v4)
{
	static const uint16_t ports[] = {
	        0, 7, 53, 1023, 1900, 2049, 3702, 5353, 5355, 11211, OUR_PORT};

	p->forbidden = true;
	switch (random_below(6)) {
	case 0:
		p->port = ports[random_below(sizeof(ports) / sizeof(ports[0]))];
		break;
	case 1: /* loopback from elsewhere */
		p->source = is_v4 ? v4(0x7f000001) : in6addr_loopback;
		break;
	case 2: /* multicast */
		p->source = is_v4 ? v4(0xe0000001) : v6(0xff, 2, 1);
		break;
	case 3: /* unspecified */
		p->source = is_v4 ? v4(0) : in6addr_any;
		break;
	case 4:
		p->broadcast = is_v4;
		p->destination = is_v4 ? v4(0xc0a801ff) : v6(0xff, 2, 1);
		break;
	default:
		p->flags = random_one_in(2) ? MSG_TRUNC : MSG_CTRUNC;
		break;
	}
}

struct parcel
parcel_new(uint16_t slot, int family, bool trains)
{
	bool is_v4 = family == AF_INET || random_one_in(2);
	struct parcel p = {.port = (uint16_t)(PARCEL_FIRST_PORT + slot),
	        .slot = slot,
	        .traffic_class = (uint8_t)random_below(256)};

	p.source = is_v4 ? v4(0xc0a80102 + (uint32_t)random_below(3)) : v6(0x20, 1, 2);
	p.destination = is_v4 ? v4(0xc0a80101) : v6(0x20, 1, 1);
	p.size = p.segment = (uint32_t)random_below(random_one_in(16) ? DATAGRAM_MOST + 1 : 32);
	if (trains && p.segment > 0 && random_one_in(4))
		p.size = p.segment + 1 + (uint32_t)random_below(p.segment * (TRAIN_MOST - 1));
	if (random_one_in(4))
		forbid(&p, is_v4);
	return p;
}

void
parcel_follow(struct parcel *p, const struct parcel *earlier)
{
	p->port = earlier->port;
	p->source = earlier->source;
	if (!random_one_in(8))
		p->destination = earlier->destination;
	if (IN6_IS_ADDR_V4MAPPED(&p->source) != IN6_IS_ADDR_V4MAPPED(&p->destination))
		p->destination = earlier->destination;
	if (!random_one_in(8))
		p->traffic_class = earlier->traffic_class ^ (uint8_t)random_below(4); /* ECN */
	if (p->size == p->segment && earlier->segment > 0 && !random_one_in(4)) {
		p->segment = earlier->segment;
		p->size = random_one_in(8) ? 1 + (uint32_t)random_below(p->segment) : p->segment;
	}
	if (p->size < p->segment)
		p->segment = p->size;
}

uint32_t
parcel_count(const struct parcel *p, uint32_t length)
{
	return p->segment == 0 ? 1 : (length + p->segment - 1) / p->segment;
}

static bool
is_v4(const struct parcel *p)
{
	return IN6_IS_ADDR_V4MAPPED(&p->source);
}

static struct in_addr
as_v4(const struct in6_addr *address)
{
	struct in_addr ipv4;

	memcpy(&ipv4, &address->s6_addr[12], sizeof(ipv4));
	return ipv4;
}

static struct address
source_of(const struct parcel *p, int family)
{
	struct address from = {.length = sizeof(from.in6),
	        .in6 = {.sin6_family = AF_INET6, .sin6_addr = p->source}};

	if (family == AF_INET)
		from = (struct address){.length = sizeof(from.in4),
		        .in4 = {.sin_family = AF_INET, .sin_addr = as_v4(&p->source)}};
	address_set_port(&from, p->port);
	return from;
}

static void
tell(struct msghdr *message, size_t *used, int level, int type, const void *data, size_t size)
{
	struct cmsghdr *control = (struct cmsghdr *)((char *)message->msg_control + *used);

	expect(message->msg_controllen >= *used + CMSG_SPACE(size),
	        "recvmmsg: no room for the control messages");
	control->cmsg_level = level;
	control->cmsg_type = type;
	control->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(control), data, size);
	*used += CMSG_SPACE(size);
}

/* In the kernel's order: what UDP has to say, then what IP has. */
static void
tell_arrival(const struct parcel *p, struct msghdr *message)
{
	const struct in_pktinfo info4 = {.ipi_ifindex = INTERFACE,
	        .ipi_spec_dst = p->broadcast ? as_v4(&p->source) : as_v4(&p->destination),
	        .ipi_addr = as_v4(&p->destination)};
	const struct in6_pktinfo info6 = {.ipi6_ifindex = INTERFACE, .ipi6_addr = p->destination};
	int segment = (int)p->segment, class = p->traffic_class;
	size_t used = 0;

	if (p->size > p->segment)
		tell(message, &used, IPPROTO_UDP, UDP_GRO, &segment, sizeof(segment));
	if (is_v4(p)) {
		tell(message, &used, IPPROTO_IP, IP_PKTINFO, &info4, sizeof(info4));
		tell(message, &used, IPPROTO_IP, IP_TOS, &p->traffic_class, 1);
	} else {
		tell(message, &used, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
		tell(message, &used, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
	}
	message->msg_controllen = used;
}

void
parcel_give(struct parcel *p, int family, struct msghdr *message)
{
	struct address from = source_of(p, family);

	expect(message->msg_namelen >= from.length && message->msg_iovlen == 1 &&
	                message->msg_iov->iov_len >= p->size,
	        "recvmmsg: no room for a datagram");
	memcpy(message->msg_name, &from.storage, from.length);
	message->msg_namelen = from.length;
	memcpy(message->msg_iov->iov_base, bytes_of(p, 0), p->size);
	message->msg_flags = p->flags;
	tell_arrival(p, message);
	p->open = !p->forbidden;
	p->done = 0;
}

/* What the daemon tells the kernel beside a reply. */
struct beside {
	struct in_pktinfo info4;
	struct in6_pktinfo info6;
	int traffic_class; /* -1: not told */
	uint16_t segment;  /* 0: not told */
	bool has4, has6;
};

static struct beside
read_beside(const struct msghdr *message)
{
	struct msghdr copy = *message;
	struct beside b = {.traffic_class = -1};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&copy); c; c = CMSG_NXTHDR(&copy, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&b.info4, CMSG_DATA(c), sizeof(b.info4));
			b.has4 = true;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&b.info6, CMSG_DATA(c), sizeof(b.info6));
			b.has6 = true;
		} else if (c->cmsg_type == (c->cmsg_level == IPPROTO_IP ? IP_TOS : IPV6_TCLASS)) {
			memcpy(&b.traffic_class, CMSG_DATA(c), sizeof(b.traffic_class));
		} else {
			expect(c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT,
			        "a reply with a control message %d, %d", c->cmsg_level,
			        c->cmsg_type);
			memcpy(&b.segment, CMSG_DATA(c), sizeof(b.segment));
		}
	}
	return b;
}

uint32_t
parcel_segment_told(const struct msghdr *message)
{
	return read_beside(message).segment;
}

bool
parcel_has_class(const struct parcel *p, const struct msghdr *message, bool with_dscp)
{
	return read_beside(message).traffic_class ==
	       (with_dscp ? p->traffic_class & DSCP_MASK : -1);
}

void
parcel_check_beside(const struct parcel *p, const struct msghdr *message, bool with_dscp)
{
	const struct beside b = read_beside(message);
	struct in6_addr from = is_v4(p) ? address_mapped(b.info4.ipi_spec_dst) : b.info6.ipi6_addr;

	expect(is_v4(p) ? b.has4 && !b.has6 : b.has6 && !b.has4,
	        "a reply to port %u does not say where it leaves from", p->port);
	expect(memcmp(&from, &p->destination, sizeof(from)) == 0,
	        "a reply to port %u leaves from another address than the request went to", p->port);
	expect(parcel_has_class(p, message, with_dscp), "a reply to port %u has traffic class %d",
	        p->port, b.traffic_class);
}

bool
parcel_is_from(const struct parcel *p, int family, const struct msghdr *message)
{
	struct address from = source_of(p, family);

	return message->msg_namelen == from.length &&
	       memcmp(message->msg_name, &from.storage, from.length) == 0;
}

uint32_t
parcel_next_length(const struct parcel *p)
{
	uint32_t left = p->size - p->done;

	return left < p->segment ? left : p->segment;
}

bool
parcel_is_next(const struct parcel *p, const unsigned char *datagram, uint32_t length)
{
	return length == parcel_next_length(p) &&
	       memcmp(datagram, bytes_of(p, p->done), length) == 0;
}
