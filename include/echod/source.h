/*
 * What counts as one source: an IPv4 address, or the /64 of an IPv6 address. A /64 is the least
 * that one customer is given (RFC 6177), so more addresses from it are not more peers. Two prefixes
 * are shared by many hosts: each link-local address (fe80::/64) is a source of its own, and an
 * address of NAT64 (64:ff9b::/96, RFC 6052) is the IPv4 address embedded in it. Pure.
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

/* A random key (getentropy(3)) for the hash, so that no peer can choose sources that collide. */
struct source_key {
	unsigned char bytes[16];
};

/* The source that an address belongs to. IPv4 addresses, and sources, are v4-mapped. */
struct in6_addr source_of(const struct in6_addr *address);

/* SipHash of the source. */
uint64_t source_hash(const struct in6_addr *source, const struct source_key *key);
