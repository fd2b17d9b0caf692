/*
 * Addresses to come from: one, a prefix (RFC 4632), or a first and a last. An address has some
 * 28,000 free ports towards one peer; a range has as many times more.
 */
#pragma once

#include "echod/common/address.h"

#include <stdint.h>

struct source_range {
	struct address first; /* length 0: any, the kernel's choice */
	uint64_t count;       /* at most 2^32 */
};

/*
 * Reads ADDR, ADDR/BITS or ADDR-ADDR, without ports. Of an IPv4 prefix the network's own address
 * and its broadcast address are left out. Returns 0, or -EINVAL and stores nothing.
 */
int source_range_parse(const char *text, struct source_range *range);

/* The address that is this many behind the first, from the first again after the last. */
struct address source_range_at(const struct source_range *range, uint64_t index);
