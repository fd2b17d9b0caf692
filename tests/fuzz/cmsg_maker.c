#include "cmsg_maker.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/udp.h>
#include <netinet/ip.h>

enum kind {
	END,
	PKTINFO4,
	PKTINFO6,
	TOS,
	TCLASS,
	GRO,
	TIMESTAMP, /* an earlier owner of the socket may have asked for these */
	TIMESTAMPING,
	HOP_LIMIT,
	HOP_OPTIONS,
	N_KINDS,
};

void
input_address(struct input *input, struct in6_addr *address, bool few)
{
	static const char *const known[] = {"::ffff:127.0.0.1", "::ffff:127.255.255.255",
	        "::ffff:198.51.100.7", "::ffff:192.0.2.1", "::ffff:192.0.2.255",
	        "::ffff:255.255.255.255", "::ffff:0.0.0.0", "::ffff:0.1.2.3", "::ffff:224.0.0.1",
	        "::ffff:239.255.255.255", "::ffff:240.0.0.1", "::", "::1", "fe80::1", "2001:db8::1",
	        "2001:db8::ffff:1", "ff02::1", "fe80::2", "64:ff9b::192.0.2.1"};
	size_t which = input_byte(input) % (ARRAY_SIZE(known) + (few ? 0 : 2));

	if (which < ARRAY_SIZE(known)) {
		EXPECT(inet_pton(AF_INET6, known[which], address) == 1);
		return;
	}
	input_bytes(input, address, sizeof(*address));
	if (which == ARRAY_SIZE(known)) /* any of IPv4 */
		memcpy(address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
}

/* Returns whether it fit. */
static bool
put(struct msghdr *message, size_t *used, int level, int type, const void *data, size_t size)
{
	size_t room = message->msg_controllen - *used, length = CMSG_LEN(size);
	struct cmsghdr header = {.cmsg_level = level, .cmsg_type = type};

	if (room < sizeof(header)) {
		message->msg_flags |= MSG_CTRUNC;
		return false;
	}
	header.cmsg_len = length < room ? length : room;
	memcpy((char *)message->msg_control + *used, &header, sizeof(header));
	memcpy((char *)message->msg_control + *used + sizeof(header), data,
	        header.cmsg_len - sizeof(header));
	*used += CMSG_SPACE(size) < room ? CMSG_SPACE(size) : room;
	if (length <= room)
		return true;
	message->msg_flags |= MSG_CTRUNC;
	return false;
}

static struct in6_addr
mapped(uint32_t ipv4)
{
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(&address.s6_addr[12], &ipv4, sizeof(ipv4));
	return address;
}

static void
put_pktinfo4(struct msghdr *message, size_t *used, struct input *input, struct told *told)
{
	struct in_pktinfo info = {.ipi_ifindex = input_byte(input) % 4};
	struct in6_addr destination, local;

	input_address(input, &destination, false);
	local = destination;
	if (input_byte(input) % 4 == 0)
		input_address(input, &local, false);
	memcpy(&info.ipi_addr, &destination.s6_addr[12], sizeof(info.ipi_addr));
	memcpy(&info.ipi_spec_dst, &local.s6_addr[12], sizeof(info.ipi_spec_dst));
	if (!put(message, used, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info)))
		return;
	told->has_v4 = true;
	told->interface4 = (unsigned)info.ipi_ifindex;
	told->destination4 = mapped(info.ipi_addr.s_addr);
	/* not known of what was queued before IP_PKTINFO was set */
	told->local4 =
	        info.ipi_spec_dst.s_addr ? mapped(info.ipi_spec_dst.s_addr) : told->destination4;
}

static void
put_pktinfo6(struct msghdr *message, size_t *used, struct input *input, struct told *told)
{
	struct in6_pktinfo info = {.ipi6_ifindex = input_byte(input) % 4};

	input_address(input, &info.ipi6_addr, false);
	if (!put(message, used, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info)))
		return;
	told->has_v6 = true;
	told->interface6 = info.ipi6_ifindex;
	told->destination6 = info.ipi6_addr;
}

static void
put_number(struct msghdr *message, size_t *used, struct input *input, struct told *told,
        enum kind kind)
{
	uint8_t byte = input_byte(input);
	int segment = (int)input_number(input, kind == GRO ? 2 : 0), number = byte;

	if (kind == TOS && put(message, used, IPPROTO_IP, IP_TOS, &byte, sizeof(byte)))
		told->traffic_class = byte;
	if (kind == TCLASS && put(message, used, IPPROTO_IPV6, IPV6_TCLASS, &number, sizeof(int)))
		told->traffic_class = byte;
	if (kind == GRO && put(message, used, IPPROTO_UDP, UDP_GRO, &segment, sizeof(int)))
		told->segment = (uint16_t)segment;
	if (kind == HOP_LIMIT)
		put(message, used, IPPROTO_IPV6, IPV6_HOPLIMIT, &number, sizeof(int));
}

void
control_messages_put(struct msghdr *message, struct input *input, struct told *told)
{
	uint8_t options[8 * 256] = {0}; /* ipv6(7): as many as the sender likes */
	size_t used = 0;
	enum kind kind;

	while ((kind = (enum kind)(input_byte(input) % N_KINDS)) != END) {
		switch (kind) {
		case PKTINFO4:
			put_pktinfo4(message, &used, input, told);
			break;
		case PKTINFO6:
			put_pktinfo6(message, &used, input, told);
			break;
		case TIMESTAMP:
			put(message, &used, SOL_SOCKET, SO_TIMESTAMPNS, options, 16);
			break;
		case TIMESTAMPING:
			put(message, &used, SOL_SOCKET, SO_TIMESTAMPING, options,
			        sizeof(struct scm_timestamping));
			break;
		case HOP_OPTIONS:
			put(message, &used, IPPROTO_IPV6, IPV6_HOPOPTS, options,
			        8 * ((size_t)input_byte(input) + 1));
			break;
		case END:
		case TOS:
		case TCLASS:
		case GRO:
		case HOP_LIMIT:
		case N_KINDS:
			put_number(message, &used, input, told, kind);
			break;
		}
	}
	message->msg_controllen = used;
}
