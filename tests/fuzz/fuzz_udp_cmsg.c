/* Whatever control messages the kernel may put beside a datagram, in any order, cut anywhere, into
 * any room; and what the reply tells the kernel in turn. */
#include "fuzz.h"

#include "cmsg_maker.h"

#include "echod/udp_cmsg.h"

#include <linux/udp.h>
#include <netinet/ip.h>

enum {
	DSCP = 0xfc,
};

/* The source's family decides which messages count. */
static void
expect_read(
        const struct udp_arrival *arrival, const struct told *told, const struct in6_addr *source)
{
	const struct in6_addr none = IN6ADDR_ANY_INIT;
	bool v4 = IN6_IS_ADDR_V4MAPPED(source);

	EXPECT(arrival->segment == told->segment);
	EXPECT(arrival->traffic_class == told->traffic_class);
	if (v4 ? !told->has_v4 : !told->has_v6) {
		EXPECT(IN6_ARE_ADDR_EQUAL(&arrival->destination, &none));
		EXPECT(IN6_ARE_ADDR_EQUAL(&arrival->local, &none));
		EXPECT(arrival->interface == 0);
		return;
	}
	EXPECT(IN6_ARE_ADDR_EQUAL(
	        &arrival->destination, v4 ? &told->destination4 : &told->destination6));
	EXPECT(IN6_ARE_ADDR_EQUAL(&arrival->local, v4 ? &told->local4 : &told->destination6));
	EXPECT(arrival->interface == (v4 ? told->interface4 : told->interface6));
}

static const struct cmsghdr *
find(struct msghdr *message, int level, int type, size_t size)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == level && c->cmsg_type == type) {
			EXPECT(c->cmsg_len == CMSG_LEN(size));
			return c;
		}
	}
	return NULL;
}

static void
expect_pktinfo(
        struct msghdr *message, const struct udp_arrival *arrival, const struct in6_addr *source)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(source);
	bool link_local = IN6_IS_ADDR_LINKLOCAL(source) || IN6_IS_ADDR_LINKLOCAL(&arrival->local);
	const struct cmsghdr *c4 = find(message, IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo));
	const struct cmsghdr *c6 =
	        find(message, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo));

	EXPECT(!c4 == !v4 && !c6 == v4);
	if (v4) {
		const struct in_pktinfo *info = (const void *)CMSG_DATA(c4);

		EXPECT(memcmp(&info->ipi_spec_dst, &arrival->local.s6_addr[12], 4) == 0);
		EXPECT(info->ipi_ifindex == 0);
	} else {
		const struct in6_pktinfo *info = (const void *)CMSG_DATA(c6);

		EXPECT(IN6_ARE_ADDR_EQUAL(&info->ipi6_addr, &arrival->local));
		EXPECT(info->ipi6_ifindex == (link_local ? arrival->interface : 0));
	}
}

static void
write_reply(const struct udp_arrival *arrival, const struct in6_addr *source, bool with_dscp)
{
	struct udp_cmsg *control = calloc(1, sizeof(*control));
	struct msghdr message = {.msg_control = control};
	bool v4 = IN6_IS_ADDR_V4MAPPED(source);
	struct udp_departure departure;
	const struct cmsghdr *c;
	size_t length;
	int dscp;

	EXPECT(control);
	departure = udp_cmsg_departure(arrival, source, with_dscp);
	udp_cmsg_write_departure(&message, &departure);
	length = message.msg_controllen;
	udp_cmsg_append_segment(&message, arrival->segment);
	expect_pktinfo(&message, arrival, source);
	c = find(&message, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, sizeof(int));
	EXPECT(!c == !with_dscp);
	if (c) {
		memcpy(&dscp, CMSG_DATA(c), sizeof(dscp));
		EXPECT(dscp == (arrival->traffic_class & DSCP));
	}
	c = find(&message, IPPROTO_UDP, UDP_SEGMENT, sizeof(uint16_t));
	EXPECT(c && memcmp(CMSG_DATA(c), &arrival->segment, sizeof(uint16_t)) == 0);
	udp_cmsg_remove_segment(&message);
	EXPECT(message.msg_controllen == length);
	free(control);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	bool with_dscp = input_byte(&input) & 1;
	size_t room = 1U + input_byte(&input);
	void *bytes = malloc(room); /* a sanitizer guards its end */
	struct msghdr message = {.msg_control = bytes, .msg_controllen = room};
	struct told told = {0};
	struct in6_addr source;
	struct udp_arrival arrival;

	EXPECT(bytes);
	input_address(&input, &source, false);
	control_messages_put(&message, &input, &told);
	arrival = udp_cmsg_read(&message, &source);
	expect_read(&arrival, &told, &source);
	/* the others are never answered */
	if (IN6_IS_ADDR_V4MAPPED(&arrival.local) == IN6_IS_ADDR_V4MAPPED(&source))
		write_reply(&arrival, &source, with_dscp);
	free(bytes);
	return 0;
}
