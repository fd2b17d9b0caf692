#include "echod/reflector.h"

#include "echod/reflection.h"

#include <string.h>

void
reflector_ports_refuse(struct reflector_ports *ports, uint16_t port)
{
	ports->refused[port / 64] |= UINT64_C(1) << (port % 64);
}

void
reflector_ports_allow(struct reflector_ports *ports, uint16_t port)
{
	ports->refused[port / 64] &= ~(UINT64_C(1) << (port % 64));
}

static bool
is_refused(const struct reflector_ports *ports, uint16_t port)
{
	return ports->refused[port / 64] >> (port % 64) & 1;
}

void
reflector_ports_init(struct reflector_ports *ports)
{
	*ports = (struct reflector_ports){0};
	for (unsigned port = 0; port <= UINT16_MAX; port++) {
		if (reflection_port_refused((uint16_t)port))
			reflector_ports_refuse(ports, (uint16_t)port);
	}
}

static bool
is_v4(const struct in6_addr *address)
{
	return IN6_IS_ADDR_V4MAPPED(address);
}

static bool
is_loopback(const struct in6_addr *address)
{
	return is_v4(address) ? address->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(address);
}

/* RFC 1122, 3.2.1.3: 0.0.0.0/8, 224.0.0.0/4 and 255.255.255.255 are no host's to send from. */
static bool
is_host(const struct in6_addr *address)
{
	uint32_t v4;

	if (is_v4(address)) {
		memcpy(&v4, &address->s6_addr[12], sizeof(v4));
		v4 = ntohl(v4);
		return v4 >> 24 != 0 && !IN_MULTICAST(v4) && v4 != INADDR_BROADCAST;
	}
	return !IN6_IS_ADDR_UNSPECIFIED(address) && !IN6_IS_ADDR_MULTICAST(address);
}

static bool
source_is_good(const struct reflector_datagram *datagram)
{
	return is_host(&datagram->source) &&
	       (!is_loopback(&datagram->source) || datagram->on_loopback);
}

static bool
destination_is_good(const struct reflector_datagram *datagram)
{
	return is_host(&datagram->hit) &&
	       memcmp(&datagram->hit, &datagram->local, sizeof(datagram->hit)) == 0;
}

enum reflector_verdict
reflector_verdict(const struct reflector_ports *ports, const struct reflector_datagram *datagram)
{
	if (datagram->truncated)
		return REFLECTOR_TRUNCATED;
	if (!source_is_good(datagram))
		return REFLECTOR_SOURCE;
	if (!destination_is_good(datagram))
		return REFLECTOR_DESTINATION;
	if (is_refused(ports, datagram->source_port))
		return REFLECTOR_PORT;
	return REFLECTOR_ANSWER;
}
