#include "test.h"

#include "echod/udp_cmsg.h"

#include <arpa/inet.h>
#include <linux/udp.h>
#include <netinet/ip.h>
#include <string.h>

#define PEER4 "::ffff:198.51.100.7"
#define PEER6 "2001:db8::7"

static struct udp_cmsg control;
static struct msghdr message;

static struct in6_addr
address(const char *text)
{
	struct in6_addr result;

	assert_int_equal(inet_pton(AF_INET6, text, &result), 1);
	return result;
}

static struct in_addr
address4(const char *text)
{
	struct in_addr result;

	assert_int_equal(inet_pton(AF_INET, text, &result), 1);
	return result;
}

static int
reset(void **state)
{
	(void)state;
	memset(&control, 0, sizeof(control));
	message = (struct msghdr){.msg_control = control.bytes};
	return 0;
}

/* The kernel's side: one more control message. */
static void
tell(int level, int type, const void *data, size_t size)
{
	struct cmsghdr *c = (struct cmsghdr *)(control.bytes + message.msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), data, size);
	message.msg_controllen += CMSG_SPACE(size);
}

static void
tell_ipv4(const char *destination, const char *local, int interface)
{
	const struct in_pktinfo info = {.ipi_addr = address4(destination),
	        .ipi_spec_dst = address4(local),
	        .ipi_ifindex = interface};

	tell(IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

static void
tell_ipv6(const char *destination, unsigned interface)
{
	const struct in6_pktinfo info = {
	        .ipi6_addr = address(destination), .ipi6_ifindex = interface};

	tell(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
}

static void
assert_address(const struct in6_addr *found, const char *expected)
{
	char text[INET6_ADDRSTRLEN];

	assert_string_equal(inet_ntop(AF_INET6, found, text, sizeof(text)), expected);
}

static struct udp_arrival
read_from(const char *peer)
{
	const struct in6_addr source = address(peer);

	return udp_cmsg_read(&message, &source);
}

/* What the reply tells the kernel, or NULL. */
static const void *
told(int level, int type)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
		if (c->cmsg_level == level && c->cmsg_type == type)
			return CMSG_DATA(c);
	return NULL;
}

static int
told_number(int level, int type)
{
	int number = -1;

	if (told(level, type))
		memcpy(&number, told(level, type), sizeof(number));
	return number;
}

static void
answer(const struct udp_arrival *arrival, const char *peer, bool with_dscp)
{
	const struct in6_addr source = address(peer);
	const struct udp_departure departure = udp_cmsg_departure(arrival, &source, with_dscp);

	reset(NULL);
	udp_cmsg_write_departure(&message, &departure);
}

static void
an_ipv4_arrival(void **state)
{
	const unsigned char tos = 0xb9;
	const int segment = 1400;
	struct udp_arrival arrival;

	(void)state;
	tell(IPPROTO_UDP, UDP_GRO, &segment, sizeof(segment));
	tell_ipv4("192.0.2.255", "192.0.2.1", 3);
	tell(IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	arrival = read_from(PEER4);
	assert_address(&arrival.destination, "::ffff:192.0.2.255");
	assert_address(&arrival.local, "::ffff:192.0.2.1");
	assert_int_equal(arrival.interface, 3);
	assert_int_equal(arrival.traffic_class, 0xb9);
	assert_int_equal(arrival.segment, 1400);
}

/* What the kernel has not told is zero; PEER4 is IPv4 only with all of its prefix. */
static void
nothing_is_told(void **state)
{
	static const char *const peers[] = {PEER4, PEER6, "0:0:1:0:0:ffff:198.51.100.7"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		struct udp_arrival arrival;

		message.msg_controllen = 0;
		arrival = read_from(peers[i]);
		assert_address(&arrival.destination, "::");
		assert_int_equal(arrival.interface, 0);
		assert_int_equal(arrival.segment, 0);
		tell_ipv4("192.0.2.1", "192.0.2.1", 3);
		arrival = read_from(peers[i]);
		assert_address(&arrival.destination, i == 0 ? "::ffff:192.0.2.1" : "::");
		answer(&arrival, peers[i], true);
		assert_int_equal(told(IPPROTO_IP, IP_PKTINFO) != NULL, i == 0);
		assert_int_equal(told(IPPROTO_IPV6, IPV6_PKTINFO) != NULL, i != 0);
	}
}

static void
an_ipv6_arrival(void **state)
{
	const int traffic_class = 0xff;
	struct udp_arrival arrival;

	(void)state;
	tell_ipv6("2001:db8::1", 4);
	tell(IPPROTO_IPV6, IPV6_TCLASS, &traffic_class, sizeof(traffic_class));
	arrival = read_from(PEER6);
	assert_address(&arrival.destination, "2001:db8::1");
	assert_address(&arrival.local, "2001:db8::1");
	assert_int_equal(arrival.interface, 4);
	assert_int_equal(arrival.traffic_class, 0xff);
	assert_int_equal(arrival.segment, 0);
}

/* A dual-stack socket tells both for an IPv4 peer, and only one of them knows the local address. */
static void
an_ipv4_arrival_on_a_dual_stack_socket(void **state)
{
	struct udp_arrival arrival;

	(void)state;
	tell_ipv6("::ffff:192.0.2.255", 9);
	tell_ipv4("192.0.2.255", "192.0.2.1", 3);
	arrival = read_from(PEER4);
	assert_address(&arrival.local, "::ffff:192.0.2.1");
	assert_int_equal(arrival.interface, 3);
}

static void
the_other_familys_word_is_not_taken(void **state)
{
	struct udp_arrival arrival;

	(void)state;
	tell_ipv6("::ffff:192.0.2.255", 9);
	arrival = read_from(PEER4);
	assert_address(&arrival.destination, "::");
	assert_int_equal(arrival.interface, 0);
	reset(state);
	tell_ipv4("192.0.2.1", "192.0.2.1", 9);
	arrival = read_from(PEER6);
	assert_address(&arrival.destination, "::");
}

static void
what_others_asked_for_is_passed_over(void **state)
{
	const struct timespec stamp = {0};
	struct udp_arrival arrival;

	(void)state;
	tell(SOL_SOCKET, SO_TIMESTAMPNS, &stamp, sizeof(stamp));
	tell_ipv4("192.0.2.1", "192.0.2.1", 3);
	arrival = read_from(PEER4);
	assert_address(&arrival.destination, "::ffff:192.0.2.1");
}

/* A message that the room ends in is cut (MSG_CTRUNC); what lies behind it is another datagram's.
 */
static void
what_is_cut_short_is_not_taken(void **state)
{
	const int number = 0x5a5a5a5a;
	const struct {
		int level, type;
		size_t size;
	} messages[] = {{IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo)},
	        {IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo)}, {IPPROTO_IP, IP_TOS, 1},
	        {IPPROTO_IPV6, IPV6_TCLASS, sizeof(int)}, {IPPROTO_UDP, UDP_GRO, sizeof(int)}};
	const struct udp_arrival nothing = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		size_t whole = CMSG_LEN(messages[i].size);

		for (int peer = 0; peer < 2; peer++) {
			struct udp_arrival arrival;
			struct cmsghdr *c;

			reset(state);
			tell(messages[i].level, messages[i].type, &number, sizeof(number));
			c = CMSG_FIRSTHDR(&message);
			memset(CMSG_DATA(c), 0x5a, sizeof(struct in6_pktinfo));
			c->cmsg_len = message.msg_controllen = whole - 1;
			arrival = read_from(peer ? PEER6 : PEER4);
			assert_memory_equal(&arrival, &nothing, sizeof(nothing));
		}
	}
}

/* Queued before IP_PKTINFO was asked for. */
static void
an_unknown_local_address_is_the_destination(void **state)
{
	struct udp_arrival arrival;

	(void)state;
	tell_ipv4("192.0.2.1", "0.0.0.0", 0);
	arrival = read_from(PEER4);
	assert_address(&arrival.local, "::ffff:192.0.2.1");
}

static void
a_reply_leaves_from_the_local_address(void **state)
{
	struct udp_arrival arrival = {.destination = address("::ffff:192.0.2.1"),
	        .local = address("::ffff:192.0.2.1"),
	        .interface = 3,
	        .traffic_class = 0xbb};
	struct in_pktinfo v4;
	struct in6_pktinfo v6;

	(void)state;
	answer(&arrival, PEER4, true);
	memcpy(&v4, told(IPPROTO_IP, IP_PKTINFO), sizeof(v4));
	assert_int_equal(v4.ipi_spec_dst.s_addr, address4("192.0.2.1").s_addr);
	assert_int_equal(v4.ipi_ifindex, 0);
	assert_int_equal(told_number(IPPROTO_IP, IP_TOS), 0xb8);
	assert_null(told(IPPROTO_IPV6, IPV6_PKTINFO));

	arrival.local = address("2001:db8::1");
	answer(&arrival, PEER6, true);
	memcpy(&v6, told(IPPROTO_IPV6, IPV6_PKTINFO), sizeof(v6));
	assert_address(&v6.ipi6_addr, "2001:db8::1");
	assert_int_equal(v6.ipi6_ifindex, 0);
	assert_int_equal(told_number(IPPROTO_IPV6, IPV6_TCLASS), 0xb8);
	assert_null(told(IPPROTO_IP, IP_PKTINFO));

	arrival.local = address("0:0:1::ffff:c000:201"); /* no IPv4 address */
	answer(&arrival, PEER6, true);
	assert_null(told(IPPROTO_IP, IP_PKTINFO));
}

static void
link_local_addresses_need_their_interface(void **state)
{
	static const struct {
		const char *peer, *local;
		unsigned interface;
	} samples[] = {
	        {"fe80::7", "fe80::1", 3},
	        {"fe80::7", "2001:db8::1", 3},
	        {"2001:db8::7", "fe80::1", 3},
	        {"2001:db8::7", "2001:db8::1", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct udp_arrival arrival = {
		        .local = address(samples[i].local), .interface = 3};
		struct in6_pktinfo info;

		answer(&arrival, samples[i].peer, true);
		memcpy(&info, told(IPPROTO_IPV6, IPV6_PKTINFO), sizeof(info));
		assert_int_equal(info.ipi6_ifindex, samples[i].interface);
	}
}

static void
without_dscp_the_sockets_own_stays(void **state)
{
	struct udp_arrival arrival = {.local = address("::ffff:192.0.2.1"), .traffic_class = 0xb8};

	(void)state;
	answer(&arrival, PEER4, false);
	assert_non_null(told(IPPROTO_IP, IP_PKTINFO));
	assert_null(told(IPPROTO_IP, IP_TOS));
	arrival.local = address("2001:db8::1");
	answer(&arrival, PEER6, false);
	assert_null(told(IPPROTO_IPV6, IPV6_TCLASS));
}

static void
a_segment_comes_and_goes(void **state)
{
	const struct udp_arrival arrival = {.traffic_class = 0xb8};
	uint16_t segment;
	size_t length;

	(void)state;
	answer(&arrival, PEER6, true);
	length = message.msg_controllen;
	udp_cmsg_append_segment(&message, 1400);
	memcpy(&segment, told(IPPROTO_UDP, UDP_SEGMENT), sizeof(segment));
	assert_int_equal(segment, 1400);
	assert_non_null(told(IPPROTO_IPV6, IPV6_PKTINFO));
	udp_cmsg_remove_segment(&message);
	assert_int_equal(message.msg_controllen, length);
	assert_null(told(IPPROTO_UDP, UDP_SEGMENT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(an_ipv4_arrival, reset),
	        cmocka_unit_test_setup(nothing_is_told, reset),
	        cmocka_unit_test_setup(an_ipv6_arrival, reset),
	        cmocka_unit_test_setup(an_ipv4_arrival_on_a_dual_stack_socket, reset),
	        cmocka_unit_test_setup(the_other_familys_word_is_not_taken, reset),
	        cmocka_unit_test_setup(what_others_asked_for_is_passed_over, reset),
	        cmocka_unit_test_setup(what_is_cut_short_is_not_taken, reset),
	        cmocka_unit_test_setup(an_unknown_local_address_is_the_destination, reset),
	        cmocka_unit_test_setup(a_reply_leaves_from_the_local_address, reset),
	        cmocka_unit_test_setup(link_local_addresses_need_their_interface, reset),
	        cmocka_unit_test_setup(without_dscp_the_sockets_own_stays, reset),
	        cmocka_unit_test_setup(a_segment_comes_and_goes, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
