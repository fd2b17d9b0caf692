#include "test.h"

#include "echod/common/prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static const char *const nonsense[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/ 8",
        "10.0.0.0/8/8",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/18446744073709551624",
        "10.0.0/8",
        "10/8",
        "256.0.0.0/8",
        "localhost",
        "::/129",
        "fe80::1%lo/64",
        "::ffff:10.0.0.0/-1",
        "2001:db8::g/32",
        "[::1]/128",
        "1111:2222:3333:4444:5555:6666:255.255.255.255.255/0",
};

static const struct {
	const char *prefix, *address;
	bool contains;
} samples[] = {
        {"192.0.2.0/24", "::ffff:192.0.2.0", true},
        {"192.0.2.0/24", "::ffff:192.0.2.255", true},
        {"192.0.2.0/24", "::ffff:192.0.3.0", false},
        {"192.0.2.0/24", "::ffff:192.0.1.255", false},
        {"192.0.2.77/24", "::ffff:192.0.2.1", true},
        {"192.0.2.128/25", "::ffff:192.0.2.127", false},
        {"192.0.2.128/25", "::ffff:192.0.2.128", true},
        {"192.0.2.4/31", "::ffff:192.0.2.5", true},
        {"192.0.2.4/31", "::ffff:192.0.2.6", false},
        {"192.0.2.4", "::ffff:192.0.2.4", true},
        {"192.0.2.4", "::ffff:192.0.2.5", false},
        {"192.0.2.4/32", "::ffff:192.0.2.5", false},
        {"0.0.0.0/0", "::ffff:255.255.255.255", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"0.0.0.0/0", "::", false},
        {"::ffff:192.0.2.0/120", "::ffff:192.0.2.9", true},
        {"::ffff:0:0/96", "::ffff:1.2.3.4", true},
        {"::/0", "2001:db8::1", true},
        {"::/0", "::ffff:192.0.2.1", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1", "2001:db8::2", false},
        {"::1/128", "::1", true},
        {"::1/127", "::", true},
        /* each word of an address counts */
        {"0:0:1::/48", "0:0:1::5", true},
        {"0:0:1::/48", "::5", false},
        {"2001:db8::1", "2001:db8:1::1", false},
        {"2001:db8::1", "2001:db8::1:0:0:1", false},
        {"::ffff:192.0.2.4", "0:0:1:0:0:ffff:192.0.2.4", false},
        {"::ffff:192.0.2.4", "::1:ffff:192.0.2.4", false},
};

static void
refuses_what_is_no_prefix(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		struct prefix prefix, before;

		memset(&prefix, 0x5a, sizeof(prefix));
		before = prefix;
		print_message("%s\n", nonsense[i]);
		assert_int_equal(prefix_parse(nonsense[i], &prefix), -EINVAL);
		assert_memory_equal(&prefix, &before, sizeof(prefix));
	}
}

static void
holds_what_begins_with_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct in6_addr address;
		struct prefix prefix;

		print_message("%s in %s\n", samples[i].address, samples[i].prefix);
		assert_int_equal(prefix_parse(samples[i].prefix, &prefix), 0);
		assert_int_equal(inet_pton(AF_INET6, samples[i].address, &address), 1);
		assert_int_equal(prefix_contains(&prefix, &address), samples[i].contains);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(refuses_what_is_no_prefix),
	        cmocka_unit_test(holds_what_begins_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
