#include "echod/common/prefix.h"

#include "echod/common/address.h"
#include "echod/common/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum {
	IPV6_BITS = 128,
	MAPPED_BITS = 96, /* of a v4-mapped address before the IPv4 one */
};

/* The first bits of an address; the others become zero. */
static void
cut(const struct in6_addr *address, unsigned bits, struct in6_addr *part)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	/*@ loop invariant 0 <= i <= 16;
	    loop invariant \forall integer j; 0 <= j < i ==>
	      part->s6_addr[j] == (j < bytes ? address->s6_addr[j] : 0);
	    loop assigns i, part->s6_addr[0 .. 15];
	    loop variant 16 - i;
	*/
	for (unsigned i = 0; i < sizeof(part->s6_addr); i++)
		part->s6_addr[i] = i < bytes ? address->s6_addr[i] : 0;
	if (rest > 0)
		part->s6_addr[bytes] = address->s6_addr[bytes] & (0xff00u >> rest & 0xff);
	/*@ assert rest > 0 ==>
	      part->s6_addr[bytes] == (address->s6_addr[bytes] & first_bits(rest)); */
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
	/*@ assert \forall integer i; 0 <= i <= \at(strlen(text), Pre) ==>
	      text[i] == \at(text[i], Pre); */
	/*@ assert strlen(text) == \at(strlen(text), Pre); */
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
	cut(&address, prefix->bits, &prefix->address);
	return 0;
}

bool
prefix_contains(const struct prefix *prefix, const struct in6_addr *address)
{
	struct in6_addr same_bits;

	cut(address, prefix->bits, &same_bits);
	return !IN6_IS_ADDR_V4MAPPED(address) == !IN6_IS_ADDR_V4MAPPED(&prefix->address) &&
	       IN6_ARE_ADDR_EQUAL(&same_bits, &prefix->address);
}
