#include "test.h"

#include "echod/proxy_header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IPV4                                                                                       \
	"\300\000\002\007\300\000\002\001\234\100\303\127" /* 192.0.2.7:40000 to 192.0.2.1:50007   \
	                                                    */
#define IPV6                                                                                       \
	" \001\r\270\0\0\0\0\0\0\0\0\0\0\0\a \001\r\270\0\0\0\0\0\0\0\0\0\0\0\001\234\100\303\127"

/* A string literal with NULs in it. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct {
	const char *bytes;
	size_t length;
	const char *source; /* NULL: none */
	unsigned port;
} headers[] = {
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 40000 50007\r\n"), "::ffff:192.0.2.7", 40000},
        {BYTES("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"), "::ffff:0.0.0.0", 0},
        {BYTES("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"), "::ffff:255.255.255.255", 65535},
        {BYTES("PROXY TCP6 2001:db8::7 2001:DB8::1 1 2\r\n"), "2001:db8::7", 1},
        {BYTES("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), "::ffff:192.0.2.7", 1},
        {BYTES("PROXY TCP6 1111:2222:3333:4444:5555:6666:7777:8888 "
               "1111:2222:3333:4444:5555:6666:255.255.255.255 1 2\r\n"),
                "1111:2222:3333:4444:5555:6666:7777:8888", 1},
        {BYTES("PROXY UNKNOWN\r\n"), NULL, 0},
        {BYTES("PROXY UNKNOWN ffff:: whatever \0 comes\r\n"), NULL, 0},
        {BYTES(SIGNATURE "\x20\x00\x00\x00"), NULL, 0},
        {BYTES(SIGNATURE "\x20\x11\x00\x0c" IPV4), NULL, 0},
        {BYTES(SIGNATURE "\x20\xff\x00\x03TLV"), NULL, 0},
        {BYTES(SIGNATURE "\x21\x00\x00\x00"), NULL, 0},
        {BYTES(SIGNATURE "\x21\x00\x00\x04TLVs"), NULL, 0},
        {BYTES(SIGNATURE "\x21\x11\x00\x0c" IPV4), "::ffff:192.0.2.7", 40000},
        {BYTES(SIGNATURE "\x21\x11\x00\x13" IPV4 "\x05\x00\x04uniq"), "::ffff:192.0.2.7", 40000},
        {BYTES(SIGNATURE "\x21\x21\x00\x24" IPV6), "2001:db8::7", 40000},
        {BYTES(SIGNATURE "\x21\x21\x00\x27" IPV6 "\x04\x00\x00"), "2001:db8::7", 40000},
};

static const struct {
	const char *bytes;
	size_t length;
} wrong[] = {
        {BYTES("x")},
        {BYTES("PROXX")},
        {BYTES("proxy ")},
        {BYTES("PROXY\r\n")},
        {BYTES("PROXY \n")},
        {BYTES("PROXY \r\n")},
        {BYTES("PROXY TCP4\r\n")},
        {BYTES("PROXY TCP4 \r\n")},
        {BYTES("PROXY TCP4 192.0.2.7\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 40000\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 40000 50007\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 40000 50007 \r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 40000 50007\r\r\n")},
        {BYTES("PROXY TCP4  192.0.2.7 192.0.2.1 40000 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7\t192.0.2.1 40000 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7\0 192.0.2.1 40000 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 40000\0 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1\x7f 40000 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.07 192.0.2.1 40000 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.256 192.0.2.1 40000 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2 40000 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 040000 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 00 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 65536 50007\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 40000 65536\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 +1 2\r\n")},
        {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 1 18446744073709551617\r\n")},
        {BYTES("PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n")},
        {BYTES("PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n")},
        {BYTES("PROXY TCP6 2001:db8::7%eth0 2001:db8::1 1 2\r\n")},
        {BYTES("PROXY TCP6 2001:db8::g 2001:db8::1 1 2\r\n")},
        /* 45 bytes are the longest address */
        {BYTES("PROXY TCP6 1111:2222:3333:4444:5555:6666:255.255.255.2555 ::1 1 2\r\n")},
        {BYTES("PROXY TCP5 192.0.2.7 192.0.2.1 1 2\r\n")},
        {BYTES("PROXY UNKNOWNS\r\n")},
        {BYTES("PROXY UNKNOWN\n")},
        {BYTES("\r\n\r\n\r\n")},
        {BYTES("\r\n\r\n\0\r\nQUIT\r")},
        {BYTES(SIGNATURE "\x11\x11\x00\x0c" IPV4)},
        {BYTES(SIGNATURE "\x31\x11\x00\x0c" IPV4)},
        {BYTES(SIGNATURE "\x22\x11\x00\x0c" IPV4)},
        {BYTES(SIGNATURE "\x21\x11\x00\x0b" IPV4)},
        {BYTES(SIGNATURE "\x21\x21\x00\x23" IPV6)},
        {BYTES(SIGNATURE "\x21\x12\x00\x0c" IPV4)},
        {BYTES(SIGNATURE "\x21\x10\x00\x0c" IPV4)},
        {BYTES(SIGNATURE "\x21\x22\x00\x24" IPV6)},
        {BYTES(SIGNATURE "\x21\x31\x00\xd7")},
        {BYTES(SIGNATURE "\x21\x41\x00\x00")},
        {BYTES(SIGNATURE "\x20\x00\x02\x09")}, /* 537 bytes */
        {BYTES(SIGNATURE "\x21\x00\xff\xff")},
};

static void
assert_untouched(int result, const void *bytes, size_t length)
{
	struct proxy_header header, untouched;

	memset(&header, 0x5a, sizeof(header));
	memset(&untouched, 0x5a, sizeof(untouched));
	assert_int_equal(proxy_header_parse(bytes, length, &header), result);
	assert_memory_equal(&header, &untouched, sizeof(header));
}

static void
test_a_header_is_read_and_what_follows_is_not(void **state)
{
	unsigned char bytes[PROXY_HEADER_MOST];
	char text[INET6_ADDRSTRLEN];
	struct proxy_header header;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		memset(bytes, '\n', sizeof(bytes));
		memcpy(bytes, headers[i].bytes, headers[i].length);
		for (size_t more = 0; more < 3; more++) {
			memset(&header, 0x5a, sizeof(header));
			assert_int_equal(
			        proxy_header_parse(bytes, headers[i].length + more, &header), 0);
			assert_int_equal(header.length, headers[i].length);
			assert_int_equal(header.has_source, headers[i].source != NULL);
			assert_int_equal(header.port, headers[i].port);
			if (headers[i].source)
				assert_string_equal(
				        inet_ntop(AF_INET6, &header.source, text, sizeof(text)),
				        headers[i].source);
		}
	}
}

static void
test_a_header_cut_anywhere_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		for (size_t length = 0; length < headers[i].length; length++)
			assert_untouched(-EAGAIN, headers[i].bytes, length);
}

static void
test_whatever_else_is_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_untouched(-EPROTO, wrong[i].bytes, wrong[i].length);
}

static void
test_a_line_has_at_most_107_bytes(void **state)
{
	char text[PROXY_HEADER_MOST];
	const unsigned char *line = (const unsigned char *)text;
	struct proxy_header header;

	(void)state;
	snprintf(text, sizeof(text), "PROXY UNKNOWN %92s\r\n", "");
	assert_untouched(-EAGAIN, line, 106);
	assert_untouched(-EPROTO, line, 107);
	assert_untouched(-EPROTO, line, 108);
	snprintf(text, sizeof(text), "PROXY UNKNOWN %91s\r\n", "");
	assert_untouched(-EAGAIN, line, 106);
	assert_int_equal(proxy_header_parse(line, 108, &header), 0);
	assert_int_equal(header.length, 107);
}

static void
test_the_longest_header(void **state)
{
	unsigned char bytes[PROXY_HEADER_MOST] = SIGNATURE "\x21\x11\x02\x08" IPV4;
	struct proxy_header header;

	(void)state;
	assert_untouched(-EAGAIN, bytes, sizeof(bytes) - 1);
	assert_int_equal(proxy_header_parse(bytes, sizeof(bytes), &header), 0);
	assert_int_equal(header.length, sizeof(bytes));
	assert_int_equal(header.port, 40000);
}

static void
test_paths_name_no_source(void **state)
{
	unsigned char bytes[16 + 216] = SIGNATURE "\x21\x31\x00\xd8/run/proxy";
	struct proxy_header header;

	(void)state;
	assert_int_equal(proxy_header_parse(bytes, sizeof(bytes), &header), 0);
	assert_int_equal(header.length, sizeof(bytes));
	assert_false(header.has_source);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_header_is_read_and_what_follows_is_not),
	        cmocka_unit_test(test_a_header_cut_anywhere_goes_on),
	        cmocka_unit_test(test_whatever_else_is_an_error),
	        cmocka_unit_test(test_a_line_has_at_most_107_bytes),
	        cmocka_unit_test(test_the_longest_header),
	        cmocka_unit_test(test_paths_name_no_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
