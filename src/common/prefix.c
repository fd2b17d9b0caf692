#include "echod/prefix.h"

#include "echod/address.h"
#include "echod/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum {
	IPV6_BITS = 128,
	MAPPED_BITS = 96, /* of a v4-mapped address before the IPv4 one */
};

static struct in6_addr
cut(const struct in6_addr *address, unsigned bits)
{
	struct in6_addr result = {0};
	unsigned bytes = bits / 8, rest = bits % 8;

	memcpy(&result, address, bytes);
	if (rest > 0)
		result.s6_addr[bytes] = address->s6_addr[bytes] & (unsigned char)(0xff00u >> rest);
	return result;
}

int
prefix_parse(const char *text, struct prefix *prefix)
{
	size_t length = strcspn(text, "/");
	char host[INET6_ADDRSTRLEN];
	unsigned shift = 0;
	struct in6_addr address;
	struct in_addr ipv4;
	uint64_t bits;

	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	if (inet_pton(AF_INET, host, &ipv4) == 1) {
		address = address_mapped(ipv4);
		shift = MAPPED_BITS;
	} else if (inet_pton(AF_INET6, host, &address) != 1) {
		return -EINVAL;
	}
	bits = IPV6_BITS - shift;
	if (text[length] == '/' && units_parse_count(text + length + 1, &bits) < 0)
		return -EINVAL;
	if (bits > IPV6_BITS - shift)
		return -EINVAL;
	prefix->bits = (unsigned)bits + shift;
	prefix->address = cut(&address, prefix->bits);
	return 0;
}

bool
prefix_contains(const struct prefix *prefix, const struct in6_addr *address)
{
	struct in6_addr same_bits = cut(address, prefix->bits);

	return !IN6_IS_ADDR_V4MAPPED(address) == !IN6_IS_ADDR_V4MAPPED(&prefix->address) &&
	       memcmp(&same_bits, &prefix->address, sizeof(same_bits)) == 0;
}
