/*
 * Where peers come from, and which of them are one source.
 */
#pragma once

#include "echod/common/address.h"

#include <stdbool.h>
#include <stdint.h>

/* The address of a connection: each has a port of its own; there are few hosts, so that sources
 * have many connections each. */
struct address sources_address(uint32_t number, int family);

/* Whether two addresses are of one IPv4 host or one IPv6 /64: the same as source.c, said in another
 * way. */
bool sources_same(const struct address *a, const struct address *b);
