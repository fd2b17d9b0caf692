#include "echod/reflector.h"

#include "echod/common/reflection.h"

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
	/*@ loop invariant 0 <= i <= REFLECTOR_PORT_WORDS;
	    loop invariant \forall integer w; 0 <= w < i ==> ports->refused[w] == 0;
	    loop assigns i, ports->refused[0 .. REFLECTOR_PORT_WORDS - 1];
	    loop variant REFLECTOR_PORT_WORDS - i;
	*/
	for (unsigned i = 0; i < REFLECTOR_PORT_WORDS; i++)
		ports->refused[i] = 0;
	/*@ loop invariant 0 <= port <= UINT16_MAX + 1;
	    loop invariant \forall integer p; 0 <= p <= UINT16_MAX ==>
	      (port_is_refused(ports, p) <==> p < port && port_is_dangerous(p));
	    loop assigns port, ports->refused[0 .. REFLECTOR_PORT_WORDS - 1];
	    loop variant UINT16_MAX + 1 - port;
	*/
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
	const uint8_t *v4 = &address->s6_addr[12];

	if (is_v4(address))
		return v4[0] != 0 && (v4[0] < 224 || v4[0] > 239) &&
		       !(v4[0] == 255 && v4[1] == 255 && v4[2] == 255 && v4[3] == 255);
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
	return is_host(&datagram->hit) && IN6_ARE_ADDR_EQUAL(&datagram->hit, &datagram->local);
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
