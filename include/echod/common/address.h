/*
 * Socket addresses: from text, to text, and the questions that more than one module asks of them.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* An address and how much of it counts. Plain data: copy it freely. */
struct address {
	socklen_t length; /* bytes; 0 for none */
	union {
		struct sockaddr any;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_un local;
		struct sockaddr_storage storage;
	};
};

/* Room for any address as text, the NUL included. */
#define ADDRESS_TEXT_SIZE 128

/*
 * Reads a numeric address: ADDR, ADDR:PORT, V6, [V6] or [V6]:PORT, an IPv6 scope behind % (RFC
 * 4007: fe80::1%eth0). Without a port, the port is 0 and *has_port false. Names are not looked up.
 * has_port may be NULL. Returns 0, or -EINVAL or -ENOMEM and stores nothing.
 */
int address_parse(const char *text, struct address *address, bool *has_port);

/*
 * Writes ADDR:PORT, [V6]:PORT, the path of a UNIX socket, or a word for what has no address
 * ("unix", "family=40"). A v4-mapped address is written as the IPv4 address that it is. Always
 * ends with NUL, cuts what does not fit, returns text.
 */
char *address_format(const struct address *address, char *text, size_t size);

/* What is spoken over a socket of this type (SOCK_STREAM or SOCK_DGRAM): "tcp" or "udp"; "stream"
 * or "datagram" for families other than the internet's. */
const char *address_protocol(const struct address *address, int type);

/* The port in host order; 0 for families without ports. */
uint16_t address_port(const struct address *address);
void address_set_port(struct address *address, uint16_t port);

/*
 * The IPv4 address in network order of an IPv4 or v4-mapped IPv6 address (RFC 4291, 2.5.5.2).
 * Returns false for every other one.
 */
bool address_as_ipv4(const struct address *address, struct in_addr *ipv4);

/* Whether an IPv6 address, v4-mapped for IPv4, is one of the host's own: 127.0.0.0/8 or ::1. */
static inline bool
address_is_loopback(const struct in6_addr *address)
{
	return IN6_IS_ADDR_V4MAPPED(address) ? address->s6_addr[12] == IN_LOOPBACKNET
	                                     : IN6_IS_ADDR_LOOPBACK(address);
}

/* An IPv4 address as the v4-mapped IPv6 address. */
struct in6_addr address_mapped(struct in_addr ipv4);

/* The socket address of an IPv6 address, of an IPv4 one where it is v4-mapped; the port is 0. */
struct address address_from_ipv6(const struct in6_addr *ipv6);

/* The IPv6 address, v4-mapped for IPv4. Returns false for families other than these two. */
bool address_as_ipv6(const struct address *address, struct in6_addr *ipv6);
