#include "test.h"

#include "echod/common/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static void
parses_and_formats(void **state)
{
	const struct {
		const char *text, *formatted; /* without a port: 0 */
		bool has_port;
	} samples[] = {
	        {"192.0.2.1", "192.0.2.1:0", false},
	        {"192.0.2.1:7", "192.0.2.1:7", true},
	        {"0.0.0.0:0", "0.0.0.0:0", true},
	        {"255.255.255.255:65535", "255.255.255.255:65535", true},
	        {"::", "[::]:0", false},
	        {"::1", "[::1]:0", false},
	        {"[::1]", "[::1]:0", false},
	        {"[::1]:7", "[::1]:7", true},
	        {"2001:DB8:0:0:0:0:0:1", "[2001:db8::1]:0", false},
	        {"[2001:db8:1:2:3:4:5:6]:65535", "[2001:db8:1:2:3:4:5:6]:65535", true},
	        {"::ffff:192.0.2.1", "192.0.2.1:0", false},
	        {"[::ffff:192.0.2.1]:7", "192.0.2.1:7", true},
	        {"fe80::1%lo", "[fe80::1%1]:0", false},
	        {"[fe80::1%1]:7", "[fe80::1%1]:7", true},
	        {"[ff02::1%lo]:7", "[ff02::1%1]:7", true},
	};

	(void)state;
	assert_int_equal(if_nametoindex("lo"), 1);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		char text[ADDRESS_TEXT_SIZE], again[ADDRESS_TEXT_SIZE];
		struct address address;
		bool has_port;

		print_message("%s\n", samples[i].text);
		assert_int_equal(address_parse(samples[i].text, &address, &has_port), 0);
		assert_int_equal(has_port, samples[i].has_port);
		assert_int_equal(address.length, address.any.sa_family == AF_INET
		                                         ? sizeof(address.in4)
		                                         : sizeof(address.in6));
		assert_ptr_equal(address_format(&address, text, sizeof(text)), text);
		assert_string_equal(text, samples[i].formatted);
		/* what is written can be read */
		assert_int_equal(address_parse(text, &address, NULL), 0);
		assert_string_equal(address_format(&address, again, sizeof(again)), text);
	}
}

static void
nonsense_stores_nothing(void **state)
{
	static const char *const samples[] = {"", " ", ":", ":7", "[]", "[]:7", "[", "]", "[::1",
	        "::1]", "[::1]7", "[::1]:", "[::1]:7x", "[::1]:65536", "[::1]:-1", "[::1]]:7",
	        "[[::1]]:7", "[192.0.2.1]:7", "[192.0.2.1]", "192.0.2.1:", "192.0.2.1:65536",
	        "192.0.2.1: 7", "192.0.2.1 ", " 192.0.2.1", "192.0.2", "127.1", "2130706433",
	        "0x7f.0.0.1", "192.0.2.256", "192.0.2.1.1", "localhost", "localhost:7", "*", "*:7",
	        "lo", "1::2::3", ":::1", "12345::", "::g", "::1%", "[::1%]:7", "fe80::1%nowhere9",
	        "192.0.2.1%lo", "[::1]%lo", "/tmp/socket", "@abstract", "50007", "-1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct address address, before;

		memset(&address, 0x5a, sizeof(address));
		before = address;
		print_message("'%s'\n", samples[i]);
		assert_int_equal(address_parse(samples[i], &address, NULL), -EINVAL);
		assert_memory_equal(&address, &before, sizeof(address));
	}
}

static void
too_long_is_nonsense(void **state)
{
	char text[ADDRESS_TEXT_SIZE + 50] = "127.0.0.1:";
	struct address address;

	(void)state;
	memset(text + 10, '0', sizeof(text) - 11);
	text[ADDRESS_TEXT_SIZE - 1] = '\0';
	assert_int_equal(address_parse(text, &address, NULL), 0);
	text[ADDRESS_TEXT_SIZE - 1] = '0';
	for (size_t length = ADDRESS_TEXT_SIZE; length < sizeof(text); length++) {
		text[length] = '\0';
		assert_int_equal(address_parse(text, &address, NULL), -EINVAL);
		text[length] = '0';
	}
}

static struct address
local_address(const char *path, size_t length)
{
	struct address address = {
	        .length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)};

	/* a path of full length has no NUL of its own */
	memset(&address.storage, 'z', sizeof(address.storage));
	address.local.sun_family = AF_UNIX;
	memcpy(address.local.sun_path, path, length);
	return address;
}

static void
other_families_are_named(void **state)
{
	const struct {
		const char *path;
		size_t length;
		const char *formatted;
	} samples[] = {{"", 0, "unix"}, {"/run/echo", 9, "/run/echo"},
	        {"/run/echo", 10, "/run/echo"}, {"\0echo", 5, "@echo"}, {"\0echo!", 5, "@echo"},
	        {"\0", 1, "@"}};
	char text[ADDRESS_TEXT_SIZE], path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	struct address address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		address = local_address(samples[i].path, samples[i].length);
		assert_string_equal(
		        address_format(&address, text, sizeof(text)), samples[i].formatted);
		assert_int_equal(address_port(&address), 0);
	}
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	address = local_address(path, sizeof(path) - 1);
	assert_string_equal(address_format(&address, text, sizeof(text)), path);

	address = (struct address){.length = sizeof(sa_family_t), .any = {.sa_family = AF_UNIX}};
	assert_string_equal(address_format(&address, text, sizeof(text)), "unix");
	address.any.sa_family = AF_VSOCK;
	assert_string_equal(address_format(&address, text, sizeof(text)), "family=40");
}

static void
text_is_cut_to_size(void **state)
{
	char text[16];
	struct address address;

	(void)state;
	assert_int_equal(address_parse("[2001:db8::1]:50007", &address, NULL), 0);
	memset(text, '#', sizeof(text));
	assert_string_equal(address_format(&address, text, 8), "[2001:d");
	assert_int_equal(text[8], '#');
	address = local_address("/run/echo", 9);
	memset(text, '#', sizeof(text));
	assert_string_equal(address_format(&address, text, 5), "/run");
	assert_int_equal(text[5], '#');
}

static void
ports_where_there_are_any(void **state)
{
	struct address address, before;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		assert_int_equal(
		        address_parse(v6 ? "[::1]:258" : "192.0.2.1:258", &address, NULL), 0);
		assert_int_equal(address_port(&address), 258);
		address_set_port(&address, 65534);
		assert_int_equal(address_port(&address), 65534);
		assert_int_equal(ntohs(v6 ? address.in6.sin6_port : address.in4.sin_port), 65534);
	}
	address = before = local_address("/run/echo", 9);
	address_set_port(&address, 7);
	assert_memory_equal(&address, &before, sizeof(address));
}

static void
which_are_ipv4(void **state)
{
	const struct {
		const char *text, *ipv4;
	} samples[] = {{"192.0.2.1", "192.0.2.1"}, {"::ffff:192.0.2.1", "192.0.2.1"},
	        {"::192.0.2.1", NULL}, {"::fffe:192.0.2.1", NULL}, {"::1:ffff:192.0.2.1", NULL},
	        {"64:ff9b::192.0.2.1", NULL}, {"0:0:1:0:0:ffff:192.0.2.1", NULL}, {"::1", NULL}};
	struct address address = {.length = 2, .any = {.sa_family = AF_UNIX}};
	struct in_addr ipv4;

	(void)state;
	assert_false(address_as_ipv4(&address, &ipv4));
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		char text[INET_ADDRSTRLEN];

		assert_int_equal(address_parse(samples[i].text, &address, NULL), 0);
		assert_int_equal(address_as_ipv4(&address, &ipv4), samples[i].ipv4 != NULL);
		if (samples[i].ipv4)
			assert_string_equal(
			        inet_ntop(AF_INET, &ipv4, text, sizeof(text)), samples[i].ipv4);
	}
}

static void
which_are_loopback(void **state)
{
	static const struct {
		const char *text;
		bool loopback;
	} samples[] = {{"127.0.0.0", true}, {"127.255.255.255", true}, {"126.255.255.255", false},
	        {"128.0.0.0", false}, {"::1", true}, {"::2", false}, {"::", false},
	        {"::7f00:1", false}, {"0:0:1:0:0:ffff:127.0.0.1", false}, {"7f::1", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct address address;
		struct in6_addr ipv6;

		assert_int_equal(address_parse(samples[i].text, &address, NULL), 0);
		assert_true(address_as_ipv6(&address, &ipv6));
		assert_int_equal(address_is_loopback(&ipv6), samples[i].loopback);
	}
}

static void
socket_addresses_from_ipv6_ones(void **state)
{
	static const char *const samples[][2] = {{"2001:db8::1", "[2001:db8::1]:0"},
	        {"::", "[::]:0"}, {"::ffff:192.0.2.1", "192.0.2.1:0"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct in6_addr ipv6, again;
		struct address address;
		char text[ADDRESS_TEXT_SIZE];

		assert_int_equal(inet_pton(AF_INET6, samples[i][0], &ipv6), 1);
		address = address_from_ipv6(&ipv6);
		assert_string_equal(address_format(&address, text, sizeof(text)), samples[i][1]);
		assert_int_equal(address.any.sa_family, i == 2 ? AF_INET : AF_INET6);
		assert_int_equal(
		        address.length, i == 2 ? sizeof(address.in4) : sizeof(address.in6));
		assert_true(address_as_ipv6(&address, &again));
		assert_memory_equal(&ipv6, &again, sizeof(ipv6));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(parses_and_formats),
	        cmocka_unit_test(nonsense_stores_nothing),
	        cmocka_unit_test(too_long_is_nonsense),
	        cmocka_unit_test(other_families_are_named),
	        cmocka_unit_test(text_is_cut_to_size),
	        cmocka_unit_test(ports_where_there_are_any),
	        cmocka_unit_test(which_are_ipv4),
	        cmocka_unit_test(which_are_loopback),
	        cmocka_unit_test(socket_addresses_from_ipv6_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
