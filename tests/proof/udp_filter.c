/*
 * What is proven of src/echod/udp_filter.c and src/common/reflection.c: which datagrams are
 * answered and which are not, for every address, every port and every set of refused ports; and the
 * price of a datagram of any size.
 */
#include "addresses.h"

#include "echod/udp_filter.h"

#include "echod/common/reflection.h"

/* CERT CA-1996-01, CVE-2024-2169: what answers whatever reaches it. */
/*@ predicate port_is_dangerous(integer port) =
      port < 1024 || port == 1900 || port == 2049 || port == 3702 || port == 5353 ||
      port == 5355 || port == 11211;

    lemma word_of_port: \forall integer port; 0 <= port <= UINT16_MAX ==>
      0 <= port / 64 < UDP_FILTER_PORT_WORDS;
    lemma none: \forall integer w, k; w == 0 && 0 <= k ==> ((w >> k) & 1) == 0;

    predicate port_is_refused(struct udp_filter_ports *ports, integer port) =
      ((ports->refused[port / 64] >> (port % 64)) & 1) == 1;
*/

/* What a host may send from. RFC 1122, 3.2.1.3; RFC 4291, 2.5.2 and 2.7. */
/*@ predicate is_v4_host(struct in6_addr *a) =
      a->s6_addr[12] != 0 && !(224 <= a->s6_addr[12] <= 239) && !all_bytes(a, 12, 15, 0xff);

    predicate is_v6_host(struct in6_addr *a) = !all_bytes(a, 0, 15, 0) && a->s6_addr[0] != 0xff;

    predicate is_host_address(struct in6_addr *a) =
      is_v4_mapped(a) ? is_v4_host(a) : is_v6_host(a);
*/

/*@ predicate is_good_source(struct udp_filter_datagram *d) =
      is_host_address(&d->source) && (is_loopback_address(&d->source) ==> d->on_loopback);

    predicate is_good_destination(struct udp_filter_datagram *d) =
      is_host_address(&d->destination) && same_address(&d->destination, &d->local);
*/

/*@ terminates \true;
    assigns \result \from size;
    ensures empty: size == 0 ==> \result == 1;
    ensures started: size > 0 ==>
      (\result - 1) * REFLECTION_UNIT < size <= \result * REFLECTION_UNIT;
*/
static inline uint64_t reflection_price(uint64_t size);

/*@ terminates \true;
    assigns \result \from port;
    ensures \result <==> port_is_dangerous(port);
*/
bool reflection_port_refused(uint16_t port);

/*@ requires \valid(ports);
    terminates \true;
    assigns ports->refused[0 .. UDP_FILTER_PORT_WORDS - 1];
    ensures \forall integer p; 0 <= p <= UINT16_MAX ==>
      (port_is_refused(ports, p) <==> port_is_dangerous(p));
*/
void udp_filter_ports_init(struct udp_filter_ports *ports);

/*@ requires \valid(ports);
    terminates \true;
    assigns ports->refused[port / 64];
    ensures \forall integer p; 0 <= p <= UINT16_MAX ==>
      (port_is_refused(ports, p) <==> p == port || \old(port_is_refused(ports, p)));
*/
void udp_filter_ports_refuse(struct udp_filter_ports *ports, uint16_t port);

/*@ requires \valid(ports);
    terminates \true;
    assigns ports->refused[port / 64];
    ensures \forall integer p; 0 <= p <= UINT16_MAX ==>
      (port_is_refused(ports, p) <==> p != port && \old(port_is_refused(ports, p)));
*/
void udp_filter_ports_allow(struct udp_filter_ports *ports, uint16_t port);

/*@ requires \valid_read(ports);
    terminates \true;
    assigns \result \from *ports, port;
    ensures \result <==> port_is_refused(ports, port);
*/
static bool is_refused(const struct udp_filter_ports *ports, uint16_t port);

/*@ requires \valid_read(address);
    terminates \true;
    assigns \result \from *address;
    ensures \result <==> is_v4_mapped(address);
*/
static bool is_v4(const struct in6_addr *address);

/*@ requires \valid_read(address);
    terminates \true;
    assigns \result \from *address;
    ensures \result <==> is_host_address(address);
*/
static bool is_host(const struct in6_addr *address);

/*@ requires \valid_read(datagram);
    terminates \true;
    assigns \result \from *datagram;
    ensures \result <==> is_good_source(datagram);
*/
static bool source_is_good(const struct udp_filter_datagram *datagram);

/*@ requires \valid_read(datagram);
    terminates \true;
    assigns \result \from *datagram;
    ensures \result <==> is_good_destination(datagram);
*/
static bool destination_is_good(const struct udp_filter_datagram *datagram);

/*@ requires \valid_read(ports) && \valid_read(datagram);
    terminates \true;
    assigns \result \from *ports, *datagram;
    ensures answer: \result == UDP_FILTER_ANSWER <==>
      !datagram->truncated && is_good_source(datagram) && is_good_destination(datagram) &&
      !port_is_refused(ports, datagram->source_port);
    ensures truncated: \result == UDP_FILTER_TRUNCATED <==> datagram->truncated;
    ensures source: \result == UDP_FILTER_SOURCE <==>
      !datagram->truncated && !is_good_source(datagram);
    ensures destination: \result == UDP_FILTER_DESTINATION <==>
      !datagram->truncated && is_good_source(datagram) && !is_good_destination(datagram);
    ensures port: \result == UDP_FILTER_PORT <==>
      !datagram->truncated && is_good_source(datagram) && is_good_destination(datagram) &&
      port_is_refused(ports, datagram->source_port);
*/
enum udp_filter_verdict udp_filter_verdict(
        const struct udp_filter_ports *ports, const struct udp_filter_datagram *datagram);

#include "common/reflection.c"
#include "echod/udp_filter.c"
