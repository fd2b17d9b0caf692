#include "echod/source.h"

#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(struct source_key) == crypto_shorthash_KEYBYTES, "SipHash takes the key");

struct in6_addr
source_of(const struct in6_addr *address)
{
	struct in6_addr source = *address;

	if (!IN6_IS_ADDR_V4MAPPED(address))
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
