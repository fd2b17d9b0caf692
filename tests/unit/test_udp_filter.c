#include "test.h"

#include "echod/common/reflection.h"
#include "echod/udp_filter.h"

#include <arpa/inet.h>
#include <string.h>

#define ANSWER      UDP_FILTER_ANSWER
#define SOURCE      UDP_FILTER_SOURCE
#define DESTINATION UDP_FILTER_DESTINATION

enum {
	GOOD_PORT = 40000,
};

#define V4(text) "::ffff:" text
#define HERE     V4("192.0.2.1") /* the daemon's address */
#define THERE    V4("198.51.100.7")
#define HERE6    "2001:db8::1"
#define THERE6   "2001:db8:9::7"

static struct in6_addr
address(const char *text)
{
	struct in6_addr result;

	assert_int_equal(inet_pton(AF_INET6, text, &result), 1);
	return result;
}

/* A datagram that is answered, from source to us. */
static struct udp_filter_datagram
good(const char *source, const char *destination)
{
	return (struct udp_filter_datagram){
	        .source = address(source),
	        .destination = address(destination),
	        .local = address(destination),
	        .source_port = GOOD_PORT,
	};
}

static enum udp_filter_verdict
verdict(const struct udp_filter_datagram *datagram)
{
	static struct udp_filter_ports ports;

	udp_filter_ports_init(&ports);
	return udp_filter_verdict(&ports, datagram);
}

/* Every boundary of every range, from both sides. */
static void
source_addresses(void **state)
{
	static const struct {
		const char *source;
		enum udp_filter_verdict elsewhere, on_loopback;
	} samples[] = {
	        {V4("0.0.0.0"), SOURCE, SOURCE},
	        {V4("0.0.0.1"), SOURCE, SOURCE},
	        {V4("0.255.255.255"), SOURCE, SOURCE},
	        {V4("1.0.0.0"), ANSWER, ANSWER},
	        {V4("126.255.255.255"), ANSWER, ANSWER},
	        {V4("127.0.0.0"), SOURCE, ANSWER},
	        {V4("127.0.0.1"), SOURCE, ANSWER},
	        {V4("127.255.255.255"), SOURCE, ANSWER},
	        {V4("128.0.0.0"), ANSWER, ANSWER},
	        {V4("198.51.100.7"), ANSWER, ANSWER},
	        {V4("223.255.255.255"), ANSWER, ANSWER},
	        {V4("224.0.0.0"), SOURCE, SOURCE},
	        {V4("224.0.0.251"), SOURCE, SOURCE},
	        {V4("239.255.255.255"), SOURCE, SOURCE},
	        {V4("240.0.0.0"), ANSWER, ANSWER},
	        {V4("254.255.255.255"), ANSWER, ANSWER},
	        {V4("255.254.255.255"), ANSWER, ANSWER},
	        {V4("255.255.254.255"), ANSWER, ANSWER},
	        {V4("255.255.255.254"), ANSWER, ANSWER},
	        {V4("255.255.255.255"), SOURCE, SOURCE},
	        {"::", SOURCE, SOURCE},
	        {"::1", SOURCE, ANSWER},
	        {"::2", ANSWER, ANSWER},
	        {"fe80::1", ANSWER, ANSWER},
	        {"feff:ffff::1", ANSWER, ANSWER},
	        {"ff00::", SOURCE, SOURCE},
	        {"ff02::1", SOURCE, SOURCE},
	        {"ffff::1", SOURCE, SOURCE},
	        {"2001:db8::7", ANSWER, ANSWER},
	        /* zero, loopback, IPv4 and broadcast in some of their words only */
	        {"0:0:1::", ANSWER, ANSWER},
	        {"0:0:1::1", ANSWER, ANSWER},
	        {"::1:0:0", ANSWER, ANSWER},
	        {"::1:0:1", ANSWER, ANSWER},
	        {"0:0:1:0:0:ffff:127.0.0.1", ANSWER, ANSWER},
	        {"::1:0:0:1", ANSWER, ANSWER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct udp_filter_datagram datagram = good(samples[i].source, HERE);

		print_message("%s\n", samples[i].source);
		assert_int_equal(verdict(&datagram), samples[i].elsewhere);
		datagram.on_loopback = true;
		assert_int_equal(verdict(&datagram), samples[i].on_loopback);
	}
}

/* route_localnet lets such datagrams in from outside. */
static void
loopback_from_outside_is_forged_wherever_it_goes(void **state)
{
	struct udp_filter_datagram datagram = good(V4("127.0.0.1"), V4("127.0.0.1"));

	(void)state;
	assert_int_equal(verdict(&datagram), UDP_FILTER_SOURCE);
}

static void
destination_addresses(void **state)
{
	static const struct {
		const char *source, *destination, *local;
		enum udp_filter_verdict verdict;
	} samples[] = {
	        {THERE, HERE, HERE, ANSWER},
	        {THERE, V4("192.0.2.255"), HERE, DESTINATION},
	        {THERE, V4("192.0.2.0"), HERE, DESTINATION},
	        {THERE, V4("255.255.255.255"), HERE, DESTINATION},
	        {THERE, V4("224.0.0.1"), HERE, DESTINATION},
	        {THERE, V4("192.0.2.1"), V4("0.0.0.0"), DESTINATION},
	        {THERE, "::", "::", DESTINATION}, /* not told */
	        {THERE6, "::", "::", DESTINATION},
	        {THERE6, HERE6, HERE6, ANSWER},
	        {THERE6, "fe80::1", "fe80::1", ANSWER},
	        {THERE6, "ff02::1", "ff02::1", DESTINATION},
	        {THERE6, "ff00::", "ff00::", DESTINATION},
	        {THERE6, "ff05::1:3", HERE6, DESTINATION},
	        /* another address in one of its words only */
	        {THERE6, "2001:db9::1", HERE6, DESTINATION},
	        {THERE6, "2001:db8:1::1", HERE6, DESTINATION},
	        {THERE6, "2001:db8::1:0:1", HERE6, DESTINATION},
	        {THERE6, "2001:db8::2", HERE6, DESTINATION},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct udp_filter_datagram datagram =
		        good(samples[i].source, samples[i].destination);

		print_message("%s, ours is %s\n", samples[i].destination, samples[i].local);
		datagram.local = address(samples[i].local);
		assert_int_equal(verdict(&datagram), samples[i].verdict);
	}
}

static bool
is_a_service(uint32_t port)
{
	return port == 1900 || port == 2049 || port == 3702 || port == 5353 || port == 5355 ||
	       port == 11211;
}

static void
every_source_port(void **state)
{
	struct udp_filter_datagram datagram = good(THERE, HERE);
	struct udp_filter_ports ports;

	(void)state;
	udp_filter_ports_init(&ports);
	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		bool refused = port < 1024 || is_a_service(port);

		datagram.source_port = (uint16_t)port;
		assert_int_equal(udp_filter_verdict(&ports, &datagram),
		        refused ? UDP_FILTER_PORT : UDP_FILTER_ANSWER);
	}
}

static void
ports_refused_and_allowed_are_these_alone(void **state)
{
	static const uint16_t samples[] = {1, 53, 63, 64, 1023, 1024, 50007, 65535};
	struct udp_filter_datagram datagram = good(THERE, HERE);
	struct udp_filter_ports ports;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		uint16_t port = samples[i];

		udp_filter_ports_init(&ports);
		udp_filter_ports_refuse(&ports, port);
		datagram.source_port = port;
		assert_int_equal(udp_filter_verdict(&ports, &datagram), UDP_FILTER_PORT);
		udp_filter_ports_allow(&ports, port);
		assert_int_equal(udp_filter_verdict(&ports, &datagram), UDP_FILTER_ANSWER);
		datagram.source_port = port ^ 1;
		assert_int_equal(udp_filter_verdict(&ports, &datagram),
		        (port ^ 1) < 1024 ? UDP_FILTER_PORT : UDP_FILTER_ANSWER);
	}
}

/* Whatever was there before, and nothing beside it. */
static void
ports_begin_anew(void **state)
{
	struct {
		struct udp_filter_ports ports;
		uint64_t behind;
	} memory;

	(void)state;
	memset(&memory, 0xff, sizeof(memory));
	udp_filter_ports_init(&memory.ports);
	assert_int_equal(memory.behind, UINT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(memory.ports.refused); i++)
		for (unsigned bit = 0; bit < 64; bit++)
			assert_int_equal(memory.ports.refused[i] >> bit & 1,
			        reflection_port_refused((uint16_t)(64 * i + bit)));
}

/* A datagram that breaks every rule is refused for the first; each rule mended, for the next. */
static void
reasons_come_in_their_order(void **state)
{
	struct udp_filter_datagram datagram = {
	        .source = address("::"),
	        .destination = address("ff02::1"),
	        .source_port = 7,
	        .truncated = true,
	};

	(void)state;
	assert_int_equal(verdict(&datagram), UDP_FILTER_TRUNCATED);
	datagram.truncated = false;
	assert_int_equal(verdict(&datagram), UDP_FILTER_SOURCE);
	datagram.source = address(THERE6);
	assert_int_equal(verdict(&datagram), UDP_FILTER_DESTINATION);
	datagram.destination = datagram.local = address(HERE6);
	assert_int_equal(verdict(&datagram), UDP_FILTER_PORT);
	datagram.source_port = GOOD_PORT;
	assert_int_equal(verdict(&datagram), UDP_FILTER_ANSWER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(source_addresses),
	        cmocka_unit_test(loopback_from_outside_is_forged_wherever_it_goes),
	        cmocka_unit_test(destination_addresses),
	        cmocka_unit_test(every_source_port),
	        cmocka_unit_test(ports_refused_and_allowed_are_these_alone),
	        cmocka_unit_test(ports_begin_anew),
	        cmocka_unit_test(reasons_come_in_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
