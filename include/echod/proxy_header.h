/*
 * The header with which a proxy begins a connection to say where it really comes from: the PROXY
 * protocol, versions 1 (text) and 2 (binary),
 * https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt Pure.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROXY_HEADER_MOST = 536, /* bytes: what fits into the first segment of every path */
};

struct proxy_header {
	size_t length; /* bytes; the peer's own come after them */
	/* false: none is named (LOCAL, UNKNOWN, UNSPEC, a UNIX socket), the socket's own holds */
	bool has_source;
	struct in6_addr source; /* v4-mapped for IPv4 */
	uint16_t port;
};

/*
 * Reads the header at the beginning of the bytes. Returns 0; -EAGAIN when it goes on behind them;
 * -EPROTO when they do not begin with a header, or with a longer one than PROXY_HEADER_MOST, and
 * nothing is stored then. Addresses of a version 2 header's other protocols (datagrams) are errors;
 * what follows the addresses (TLVs) is part of the header, and ignored.
 */
int proxy_header_parse(const unsigned char *bytes, size_t length, struct proxy_header *header);
