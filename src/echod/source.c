#include "echod/source.h"

#include "echod/common/address.h"

#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(struct source_key) == crypto_shorthash_KEYBYTES, "SipHash takes the key");

static bool
has_prefix(const struct in6_addr *address, const uint8_t *prefix, size_t size)
{
	return memcmp(address->s6_addr, prefix, size) == 0;
}

struct in6_addr
source_of(const struct in6_addr *address)
{
	static const uint8_t on_link[8] = {0xfe, 0x80}, nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	struct in6_addr source = *address;
	struct in_addr ipv4;

	if (IN6_IS_ADDR_V4MAPPED(address) || has_prefix(address, on_link, sizeof(on_link)))
		return source;
	if (has_prefix(address, nat64, sizeof(nat64))) {
		memcpy(&ipv4, &address->s6_addr[sizeof(nat64)], sizeof(ipv4));
		return address_mapped(ipv4);
	}
	memset(&source.s6_addr[8], 0, 8);
	return source;
}

uint64_t
source_hash(const struct in6_addr *source, const struct source_key *key)
{
	uint64_t hash;

	crypto_shorthash((unsigned char *)&hash, source->s6_addr, sizeof(*source), key->bytes);
	return hash;
}
