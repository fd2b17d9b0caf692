#include "sources.h"

#include "random.h"

#include <string.h>

struct address
sources_address(uint32_t number, int family)
{
	struct address from = {.length = sizeof(from.in4), .in4 = {.sin_family = AF_INET}};
	uint64_t host = random_below(4);

	if (family == AF_INET) {
		from.in4.sin_addr.s_addr = htonl(0xc0a80102 + (uint32_t)host);
	} else {
		from = (struct address){
		        .length = sizeof(from.in6), .in6 = {.sin6_family = AF_INET6}};
		if (host < 2) /* v4-mapped */
			from.in6.sin6_addr = (struct in6_addr){
			        .s6_addr = {
			                [10] = 0xff, [11] = 0xff, [12] = 10, [15] = (uint8_t)host}};
		else /* one /64 each, the host part differs */
			from.in6.sin6_addr = (struct in6_addr){
			        .s6_addr = {0x20, 1, 0xd,
			                0xb8, [7] = (uint8_t)host, [15] = (uint8_t)number}};
	}
	address_set_port(&from, (uint16_t)(1024 + number % 60000));
	return from;
}

bool
sources_same(const struct address *a, const struct address *b)
{
	struct in_addr a4, b4;
	bool is_a4 = address_as_ipv4(a, &a4);

	if (is_a4 != address_as_ipv4(b, &b4))
		return false;
	if (is_a4)
		return a4.s_addr == b4.s_addr;
	return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 8) == 0;
}
