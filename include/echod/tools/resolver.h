/*
 * From the name of a host to its addresses. Blocks as long as the system's resolver does: not for
 * inside a loop.
 */
#pragma once

#include "echod/common/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes up to size addresses of a host (a name or a numeric address) with this port, in the order
 * of getaddrinfo(3) (RFC 6724). family is AF_UNSPEC, AF_INET or AF_INET6. Returns NULL and their
 * number, at least 1, in *n; or what went wrong, in words that need no freeing.
 */
const char *resolver_find(
        const char *host, uint16_t port, int family, struct address *found, size_t size, size_t *n);
