#include "echod/proxy_header.h"

#include "echod/common/address.h"
#include "echod/common/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum {
	/* version 1 */
	TEXT_START = 6,
	TEXT_MOST = 107, /* CR LF included */
	/* version 2 */
	BINARY_START = 12,
	ADDRESSES = 16, /* where these begin */
	IPV4_SIZE = 12, /* of two addresses and two ports */
	IPV6_SIZE = 36,
	UNIX_SIZE = 216, /* of two paths */
};

/* The bytes 12 and 13 of version 2. */
enum {
	LOCAL = 0x20,
	PROXY = 0x21,
	UNSPECIFIED = 0x00,
	TCP_IPV4 = 0x11,
	TCP_IPV6 = 0x21,
	STREAM_UNIX = 0x31,
};

/* What is left of a line, up to its CR. */
struct text {
	const unsigned char *next;
	size_t left;
};

/* Big endian. */
static uint16_t
word_at(const unsigned char *bytes)
{
	return (uint16_t)(bytes[0] * 256 + bytes[1]);
}

/* Whether the bytes begin so, as far as there are any. */
static bool
begins(const unsigned char *bytes, size_t length, const char *start, size_t size)
{
	/*@ loop invariant 0 <= i <= size && i <= length;
	    loop invariant \forall integer j; 0 <= j < i ==> bytes[j] == start[j];
	    loop assigns i;
	    loop variant size - i;
	*/
	for (size_t i = 0; i < size && i < length; i++)
		if (bytes[i] != (unsigned char)start[i])
			return false;
	return true;
}

/* Takes the bytes up to a stop byte, and that. Returns whether they are a word that fits. */
static bool
take_field(struct text *text, unsigned char stop, char field[INET6_ADDRSTRLEN])
{
	size_t length = 0;

	/*@ loop invariant 0 <= length < text->left && length < INET6_ADDRSTRLEN;
	    loop invariant \forall integer i; 0 <= i < length ==>
	      text->next[i] != stop && field[i] != 0;
	    loop assigns length, field[0 .. INET6_ADDRSTRLEN - 1];
	    loop variant text->left - length;
	*/
	while (text->next[length] != stop) {
		unsigned char byte = text->next[length]; /* at the end it is CR */

		if (length == INET6_ADDRSTRLEN - 1 || byte < '!' || byte > '~')
			return false;
		field[length++] = (char)byte;
	}
	field[length] = '\0';
	text->next += length + 1;
	text->left -= length + 1;
	return true;
}

static bool
take_address(struct text *text, bool is_ipv6, struct in6_addr *address)
{
	char field[INET6_ADDRSTRLEN];
	struct in_addr ipv4;

	if (!take_field(text, ' ', field))
		return false;
	if (is_ipv6)
		return inet_pton(AF_INET6, field, address) == 1;
	if (inet_pton(AF_INET, field, &ipv4) != 1)
		return false;
	*address = address_mapped(ipv4);
	return true;
}

static bool
take_port(struct text *text, unsigned char stop, uint16_t *port)
{
	char field[INET6_ADDRSTRLEN];
	uint64_t number;

	if (!take_field(text, stop, field) || (field[0] == '0' && field[1] != '\0') ||
	        units_parse_count(field, &number) < 0 || number > UINT16_MAX)
		return false;
	*port = (uint16_t)number;
	return true;
}

/* Takes what comes after TCP4 or TCP6. */
static bool
take_addresses(struct text *text, bool is_ipv6, struct proxy_header *header)
{
	struct in6_addr destination;
	uint16_t port;

	return take_address(text, is_ipv6, &header->source) &&
	       take_address(text, is_ipv6, &destination) && take_port(text, ' ', &header->port) &&
	       take_port(text, '\r', &port) && text->left == 0;
}

/* The length of a line with its CR LF, or a negative errno. */
static int
line_length(const unsigned char *bytes, size_t length)
{
	/*@ loop invariant TEXT_START <= i <= length && i <= TEXT_MOST;
	    loop invariant \forall integer j; TEXT_START <= j < i ==> bytes[j] != '\n';
	    loop assigns i;
	    loop variant TEXT_MOST - i;
	*/
	for (size_t i = TEXT_START; i < length && i < TEXT_MOST; i++)
		if (bytes[i] == '\n')
			return bytes[i - 1] == '\r' ? (int)i + 1 : -EPROTO;
	return length < TEXT_MOST ? -EAGAIN : -EPROTO;
}

static int
parse_text(const unsigned char *bytes, size_t length, struct proxy_header *header)
{
	enum { PROTOCOL = 5, UNKNOWN = 8 };
	int line = line_length(bytes, length);
	struct proxy_header found = {0};
	struct text text;
	bool is_ipv6;

	if (line < 0)
		return line;
	found.length = (size_t)line;
	text = (struct text){bytes + TEXT_START, found.length - TEXT_START - 1};
	if (!begins(text.next, text.left, "UNKNOWN ", UNKNOWN) &&
	        !begins(text.next, text.left, "UNKNOWN\r", UNKNOWN)) {
		is_ipv6 = begins(text.next, text.left, "TCP6 ", PROTOCOL);
		if (!is_ipv6 && !begins(text.next, text.left, "TCP4 ", PROTOCOL))
			return -EPROTO;
		/* a shorter line would have its CR among these */
		/*@ assert text.next[text.left - 1] == '\r'; */
		/*@ assert text.left >= PROTOCOL; */
		text.next += PROTOCOL;
		text.left -= PROTOCOL;
		found.has_source = true;
		if (!take_addresses(&text, is_ipv6, &found))
			return -EPROTO;
	}
	*header = found;
	return 0;
}

/* The size of a version 2 header's addresses; more than any header has for those that are errors.
 */
static size_t
addresses_size(unsigned char protocol)
{
	switch (protocol) {
	case UNSPECIFIED:
		return 0;
	case TCP_IPV4:
		return IPV4_SIZE;
	case TCP_IPV6:
		return IPV6_SIZE;
	case STREAM_UNIX:
		return UNIX_SIZE;
	default:
		return PROXY_HEADER_MOST;
	}
}

static void
read_addresses(const unsigned char *bytes, struct proxy_header *header)
{
	size_t mapped = bytes[13] == TCP_IPV4 ? 12 : 0; /* bytes before the IPv4 address */
	size_t size = sizeof(header->source) - mapped;

	/*@ loop invariant 0 <= i <= 16;
	    loop invariant \forall integer j; 0 <= j < i ==> header->source.s6_addr[j] ==
	      (j >= mapped ? bytes[16 + j - mapped] : j < 10 ? 0 : 0xff);
	    loop assigns i, header->source.s6_addr[0 .. 15];
	    loop variant 16 - i;
	*/
	for (size_t i = 0; i < sizeof(header->source); i++)
		header->source.s6_addr[i] = i >= mapped ? bytes[ADDRESSES + i - mapped]
		                            : i < 10    ? 0
		                                        : 0xff;
	header->port = word_at(bytes + ADDRESSES + 2 * size);
}

static int
parse_binary(const unsigned char *bytes, size_t length, struct proxy_header *header)
{
	size_t whole;

	if (length < ADDRESSES)
		return -EAGAIN;
	whole = ADDRESSES + (size_t)word_at(bytes + 14);
	if (bytes[12] != LOCAL && bytes[12] != PROXY)
		return -EPROTO;
	if (bytes[12] == PROXY && whole < ADDRESSES + addresses_size(bytes[13]))
		return -EPROTO;
	if (whole > PROXY_HEADER_MOST)
		return -EPROTO;
	if (length < whole)
		return -EAGAIN;
	*header = (struct proxy_header){.length = whole};
	if (bytes[12] == PROXY && (bytes[13] == TCP_IPV4 || bytes[13] == TCP_IPV6)) {
		header->has_source = true;
		read_addresses(bytes, header);
	}
	return 0;
}

int
proxy_header_parse(const unsigned char *bytes, size_t length, struct proxy_header *header)
{
	if (begins(bytes, length, "PROXY ", TEXT_START))
		return length < TEXT_START ? -EAGAIN : parse_text(bytes, length, header);
	if (begins(bytes, length, "\r\n\r\n\0\r\nQUIT\n", BINARY_START))
		return parse_binary(bytes, length, header);
	return -EPROTO;
}
