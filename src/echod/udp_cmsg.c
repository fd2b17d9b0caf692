#include "echod/udp_cmsg.h"

#include <linux/udp.h>
#include <netinet/ip.h>
#include <string.h>

enum {
	DSCP_MASK = 0xfc,
};

/* What a message may carry; a dual-stack socket tells the addresses in both families' words, but
 * for IPv4 peers only IPv4's know the local address. */
struct found {
	const struct in_pktinfo *v4;
	const struct in6_pktinfo *v6;
};

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

/* One that is cut short (MSG_CTRUNC: there was no more room) is none. */
static bool
is(const struct cmsghdr *c, int level, int type, size_t size)
{
	return c->cmsg_level == level && c->cmsg_type == type && c->cmsg_len >= CMSG_LEN(size);
}

static void
read_one(const struct cmsghdr *c, struct found *found, struct udp_arrival *arrival)
{
	int value;

	if (is(c, IPPROTO_IP, IP_PKTINFO, sizeof(*found->v4))) {
		found->v4 = (const void *)CMSG_DATA(c);
	} else if (is(c, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(*found->v6))) {
		found->v6 = (const void *)CMSG_DATA(c);
	} else if (is(c, IPPROTO_IP, IP_TOS, 1)) {
		arrival->traffic_class = *CMSG_DATA(c);
	} else if (is(c, IPPROTO_IPV6, IPV6_TCLASS, sizeof(value))) {
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		arrival->traffic_class = (uint8_t)value;
	} else if (is(c, IPPROTO_UDP, UDP_GRO, sizeof(value))) {
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		arrival->segment = (uint16_t)value;
	}
}

struct udp_arrival
udp_cmsg_read(struct msghdr *message, const struct in6_addr *source)
{
	struct udp_arrival arrival = {0};
	struct found found = {0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		read_one(c, &found, &arrival);
	if (IN6_IS_ADDR_V4MAPPED(source) && found.v4) {
		arrival.destination = address_mapped(found.v4->ipi_addr);
		arrival.local = address_mapped(local_address(found.v4));
		arrival.interface = (unsigned)found.v4->ipi_ifindex;
	} else if (!IN6_IS_ADDR_V4MAPPED(source) && found.v6) {
		arrival.destination = arrival.local = found.v6->ipi6_addr;
		arrival.interface = found.v6->ipi6_ifindex;
	}
	return arrival;
}

static void
append(struct msghdr *message, int level, int type, const void *data, size_t size)
{
	struct cmsghdr *c =
	        (struct cmsghdr *)((char *)message->msg_control + message->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), data, size);
	message->msg_controllen += CMSG_SPACE(size);
}

_Static_assert(sizeof(struct udp_departure) == 24, "no padding: it is compared with memcmp()");

struct udp_departure
udp_cmsg_departure(const struct udp_arrival *arrival, const struct in6_addr *source, bool with_dscp)
{
	bool on_link = IN6_IS_ADDR_LINKLOCAL(source) || IN6_IS_ADDR_LINKLOCAL(&arrival->local);

	return (struct udp_departure){
	        .local = arrival->local,
	        .interface = on_link ? arrival->interface : 0,
	        .traffic_class = with_dscp ? arrival->traffic_class & DSCP_MASK : -1,
	};
}

void
udp_cmsg_write_departure(struct msghdr *message, const struct udp_departure *departure)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(&departure->local);
	int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;

	message->msg_controllen = 0;
	if (v4) {
		struct in_pktinfo info = {0};

		memcpy(&info.ipi_spec_dst, &departure->local.s6_addr[12],
		        sizeof(info.ipi_spec_dst));
		append(message, level, IP_PKTINFO, &info, sizeof(info));
	} else {
		const struct in6_pktinfo info = {
		        .ipi6_addr = departure->local, .ipi6_ifindex = departure->interface};

		append(message, level, IPV6_PKTINFO, &info, sizeof(info));
	}
	if (departure->traffic_class >= 0)
		append(message, level, v4 ? IP_TOS : IPV6_TCLASS, &departure->traffic_class,
		        sizeof(departure->traffic_class));
}

void
udp_cmsg_append_segment(struct msghdr *message, uint16_t segment)
{
	append(message, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

void
udp_cmsg_remove_segment(struct msghdr *message)
{
	message->msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
}
