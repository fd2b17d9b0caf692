/*
 * A range of IP addresses in CIDR notation (RFC 4632; RFC 4291, 2.3). Pure.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

/* IPv4 prefixes are v4-mapped, 96 bits longer; bits of the address beyond the prefix are zero. */
struct prefix {
	struct in6_addr address;
	unsigned bits; /* 0 to 128 */
};

/*
 * Reads ADDRESS/BITS, numeric, IPv4 or IPv6 without a scope; without /BITS the one address is
 * meant. Bits of the address beyond the prefix are ignored. Returns 0, or -EINVAL and stores
 * nothing.
 */
int prefix_parse(const char *text, struct prefix *prefix);

/* Whether the prefix holds an address; IPv4 ones are given v4-mapped, and only IPv4 prefixes hold
 * them: ::/0 does not. */
bool prefix_contains(const struct prefix *prefix, const struct in6_addr *address);
