#include "test.h"

#include "echod/source.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

static struct in6_addr
address(const char *text)
{
	struct in6_addr result;

	assert_int_equal(inet_pton(AF_INET6, text, &result), 1);
	return result;
}

static void
addresses_of_one_source(void **state)
{
	static const struct {
		const char *one, *other;
		bool same;
	} samples[] = {
	        {"::ffff:192.0.2.1", "::ffff:192.0.2.1", true},
	        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
	        {"2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true},
	        {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
	        {"2001:db8:0:1::1", "2001:db8:1:1::1", false},
	        {"::5", "::ffff:0.0.0.5", false},
	        /* a link's hosts all share fe80::/64 */
	        {"fe80::1", "fe80::2", false},
	        {"fe80::1", "fe80::1", true},
	        {"fe80::100:0:0:1", "fe80::200:0:0:1", false},
	        {"fe80:0:0:1::1", "fe80:0:0:1::2", true},
	        {"fec0::1", "fec0::2", true},
	        /* NAT64: IPv4 hosts share 64:ff9b::/96 (RFC 6052), and are one source with or
	           without it */
	        {"64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2", false},
	        {"64:ff9b::192.0.2.1", "::ffff:192.0.2.1", true},
	        {"64:ff9b::1:0:0", "64:ff9b::1:0:1", true},
	        {"64:ff9b:1::1", "64:ff9b:1::2", true},
	        {"64:ff9a::1", "64:ff9a::2", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct in6_addr one = address(samples[i].one),
		                      other = address(samples[i].other), first = source_of(&one),
		                      second = source_of(&other);

		print_message("%s %s\n", samples[i].one, samples[i].other);
		assert_int_equal(memcmp(&first, &second, sizeof(first)) == 0, samples[i].same);
	}
}

static void
the_hash_depends_on_source_and_key(void **state)
{
	const struct source_key key = {{1}}, other_key = {{2}};
	const struct in6_addr one = address("2001:db8::"), other = address("2001:db8:0:1::");

	(void)state;
	assert_true(source_hash(&one, &key) == source_hash(&one, &key));
	assert_true(source_hash(&one, &key) != source_hash(&other, &key));
	assert_true(source_hash(&one, &key) != source_hash(&one, &other_key));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(addresses_of_one_source),
	        cmocka_unit_test(the_hash_depends_on_source_and_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
