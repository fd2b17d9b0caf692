#include "echod/udp_filter.h"

#include "echod/common/address.h"
#include "echod/common/reflection.h"

void
udp_filter_ports_refuse(struct udp_filter_ports *ports, uint16_t port)
{
	ports->refused[port / 64] |= UINT64_C(1) << (port % 64);
}

void
udp_filter_ports_allow(struct udp_filter_ports *ports, uint16_t port)
{
	ports->refused[port / 64] &= ~(UINT64_C(1) << (port % 64));
}

static bool
is_refused(const struct udp_filter_ports *ports, uint16_t port)
{
	return ports->refused[port / 64] >> (port % 64) & 1;
}

void
udp_filter_ports_init(struct udp_filter_ports *ports)
{
	/*@ loop invariant 0 <= i <= UDP_FILTER_PORT_WORDS;
	    loop invariant \forall integer w; 0 <= w < i ==> ports->refused[w] == 0;
	    loop assigns i, ports->refused[0 .. UDP_FILTER_PORT_WORDS - 1];
	    loop variant UDP_FILTER_PORT_WORDS - i;
	*/
	for (unsigned i = 0; i < UDP_FILTER_PORT_WORDS; i++)
		ports->refused[i] = 0;
	/*@ loop invariant 0 <= port <= UINT16_MAX + 1;
	    loop invariant \forall integer p; 0 <= p <= UINT16_MAX ==>
	      (port_is_refused(ports, p) <==> p < port && port_is_dangerous(p));
	    loop assigns port, ports->refused[0 .. UDP_FILTER_PORT_WORDS - 1];
	    loop variant UINT16_MAX + 1 - port;
	*/
	for (unsigned port = 0; port <= UINT16_MAX; port++) {
		if (reflection_port_refused((uint16_t)port))
			udp_filter_ports_refuse(ports, (uint16_t)port);
	}
}

static bool
is_v4(const struct in6_addr *address)
{
	return IN6_IS_ADDR_V4MAPPED(address);
}

/* RFC 1122, 3.2.1.3: 0.0.0.0/8, 224.0.0.0/4 and 255.255.255.255 are no host's to send from. */
static bool
is_host(const struct in6_addr *address)
{
	const uint8_t *v4 = &address->s6_addr[12];

	if (is_v4(address))
		return v4[0] != 0 && (v4[0] < 224 || v4[0] > 239) &&
		       !(v4[0] == 255 && v4[1] == 255 && v4[2] == 255 && v4[3] == 255);
	return !IN6_IS_ADDR_UNSPECIFIED(address) && !IN6_IS_ADDR_MULTICAST(address);
}

static bool
source_is_good(const struct udp_filter_datagram *datagram)
{
	return is_host(&datagram->source) &&
	       (!address_is_loopback(&datagram->source) || datagram->on_loopback);
}

static bool
destination_is_good(const struct udp_filter_datagram *datagram)
{
	return is_host(&datagram->destination) &&
	       IN6_ARE_ADDR_EQUAL(&datagram->destination, &datagram->local);
}

enum udp_filter_verdict
udp_filter_verdict(const struct udp_filter_ports *ports, const struct udp_filter_datagram *datagram)
{
	if (datagram->truncated)
		return UDP_FILTER_TRUNCATED;
	if (!source_is_good(datagram))
		return UDP_FILTER_SOURCE;
	if (!destination_is_good(datagram))
		return UDP_FILTER_DESTINATION;
	if (is_refused(ports, datagram->source_port))
		return UDP_FILTER_PORT;
	return UDP_FILTER_ANSWER;
}
