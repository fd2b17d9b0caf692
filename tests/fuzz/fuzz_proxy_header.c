/* Any bytes as a PROXY header, beside a second description of both versions that works on copies.
 */
#include "fuzz.h"

#include "echod/proxy_header.h"

#include <arpa/inet.h>
#include <errno.h>

static const struct proxy_header untouched = {.length = 0x5ca1ab1e, .port = 0x5a5a};

/* Version 1: what sscanf(3) makes of the line, written again, must be the line; an IPv6 address has
 * several ways to be written, so it is compared without its addresses. */
static int
text_of(const uint8_t *data, size_t size, struct proxy_header *header)
{
	const uint8_t *end = memchr(data, '\n', size < 107 ? size : 107);
	char line[108] = {0}, again[200], source[64], destination[64], family;
	unsigned port, other;
	struct in_addr ipv4[2];
	struct in6_addr ipv6[2];

	if (!end)
		return size < 107 ? -EAGAIN : -EPROTO;
	header->length = (size_t)(end - data) + 1;
	memcpy(line, data, header->length);
	if (header->length < 8 || data[header->length - 2] != '\r')
		return -EPROTO;
	if (memcmp(line, "PROXY UNKNOWN ", 14) == 0 || memcmp(line, "PROXY UNKNOWN\r", 14) == 0)
		return 0;
	if (strlen(line) != header->length || sscanf(line, "PROXY TCP%c %63s %63s %5u %5u", &family,
	                                              source, destination, &port, &other) != 5)
		return -EPROTO;
	snprintf(again, sizeof(again), "PROXY TCP%c %s %s %u %u\r\n", family, source, destination,
	        port, other);
	if (strcmp(line, again) != 0 || port > UINT16_MAX || other > UINT16_MAX)
		return -EPROTO;
	header->has_source = true;
	header->port = (uint16_t)port;
	if (family == '4' && inet_pton(AF_INET, source, &ipv4[0]) == 1 &&
	        inet_pton(AF_INET, destination, &ipv4[1]) == 1) {
		header->source = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
		memcpy(&header->source.s6_addr[12], &ipv4[0], 4);
		return 0;
	}
	if (family == '6' && inet_pton(AF_INET6, source, &ipv6[0]) == 1 &&
	        inet_pton(AF_INET6, destination, &ipv6[1]) == 1) {
		header->source = ipv6[0];
		return 0;
	}
	return -EPROTO;
}

/* Version 2 as the specification draws it. */
static int
binary_of(const uint8_t *data, size_t size, struct proxy_header *header)
{
	struct {
		uint8_t signature[12], command, protocol, length[2];
		union {
			struct {
				uint8_t source[4], destination[4], source_port[2], port[2];
			} ipv4;
			struct {
				uint8_t source[16], destination[16], source_port[2], port[2];
			} ipv6;
			uint8_t paths[2][108];
			uint8_t all[520];
		};
	} whole = {0};
	const uint8_t *port = whole.ipv4.source_port;
	size_t least;

	if (size < 16)
		return -EAGAIN;
	memcpy(&whole, data, size < sizeof(whole) ? size : sizeof(whole));
	header->length = 16 + (size_t)whole.length[0] * 256 + whole.length[1];
	if (header->length > sizeof(whole))
		return -EPROTO;
	if (whole.command == 0x21) {
		least = whole.protocol == 0x00   ? 0
		        : whole.protocol == 0x11 ? sizeof(whole.ipv4)
		        : whole.protocol == 0x21 ? sizeof(whole.ipv6)
		        : whole.protocol == 0x31 ? sizeof(whole.paths)
		                                 : sizeof(whole);
		if (header->length - 16 < least)
			return -EPROTO;
		header->has_source = whole.protocol == 0x11 || whole.protocol == 0x21;
	} else if (whole.command != 0x20) {
		return -EPROTO;
	}
	if (size < header->length)
		return -EAGAIN;
	if (!header->has_source)
		return 0;
	if (whole.protocol == 0x11) {
		header->source = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
		memcpy(&header->source.s6_addr[12], whole.ipv4.source, 4);
	} else {
		memcpy(&header->source, whole.ipv6.source, 16);
		port = whole.ipv6.source_port;
	}
	header->port = (uint16_t)(port[0] << 8 | port[1]);
	return 0;
}

static int
description(const uint8_t *data, size_t size, struct proxy_header *header)
{
	static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

	if (memcmp(data, "PROXY ", size < 6 ? size : 6) == 0)
		return size < 6 ? -EAGAIN : text_of(data, size, header);
	if (memcmp(data, signature, size < 12 ? size : 12) == 0)
		return binary_of(data, size, header);
	return -EPROTO;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header = untouched, expected = {0};
	uint8_t *bytes =
	        malloc(size + 1); /* never NULL for memcpy(), and a sanitizer guards its end */
	int result, expected_result;

	EXPECT(bytes);
	memcpy(bytes + 1, data, size);
	result = proxy_header_parse(bytes + 1, size, &header);
	expected_result = description(bytes + 1, size, &expected);
	EXPECT(result == expected_result);
	if (result != 0)
		expected = untouched;
	EXPECT(header.length == expected.length && header.has_source == expected.has_source);
	EXPECT(header.port == expected.port);
	EXPECT(memcmp(&header.source, &expected.source, sizeof(header.source)) == 0);
	EXPECT(result != 0 || (header.length <= size && header.length <= PROXY_HEADER_MOST));
	free(bytes);
	return 0;
}
