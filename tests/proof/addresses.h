/*
 * The macros of <netinet/in.h> that Frama-C's own headers lack, and what they mean: RFC 3493, 6.7.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#define IN_LOOPBACKNET 127

/*@ predicate all_bytes(struct in6_addr *a, integer first, integer last, integer byte) =
      \forall integer i; first <= i <= last ==> a->s6_addr[i] == byte;

    predicate is_v4_mapped(struct in6_addr *a) =
      all_bytes(a, 0, 9, 0) && all_bytes(a, 10, 11, 0xff);

    predicate same_address(struct in6_addr *a, struct in6_addr *b) =
      \forall integer i; 0 <= i < 16 ==> a->s6_addr[i] == b->s6_addr[i];

    predicate is_loopback_address(struct in6_addr *a) =
      is_v4_mapped(a) ? a->s6_addr[12] == 127 : all_bytes(a, 0, 14, 0) && a->s6_addr[15] == 1;
*/

/*@ requires \valid_read(a);
    terminates \true;
    assigns \result \from *a;
    ensures \result <==> is_v4_mapped(a);
*/
_Bool IN6_IS_ADDR_V4MAPPED(const struct in6_addr *a);

/*@ requires \valid_read(a);
    terminates \true;
    assigns \result \from *a;
    ensures \result <==> all_bytes(a, 0, 15, 0);
*/
_Bool IN6_IS_ADDR_UNSPECIFIED(const struct in6_addr *a);

/*@ requires \valid_read(a);
    terminates \true;
    assigns \result \from *a;
    ensures \result <==> all_bytes(a, 0, 14, 0) && a->s6_addr[15] == 1;
*/
_Bool IN6_IS_ADDR_LOOPBACK(const struct in6_addr *a);

/*@ requires \valid_read(a);
    terminates \true;
    assigns \result \from *a;
    ensures \result <==> a->s6_addr[0] == 0xff;
*/
_Bool IN6_IS_ADDR_MULTICAST(const struct in6_addr *a);

/*@ requires \valid_read(a) && \valid_read(b);
    terminates \true;
    assigns \result \from *a, *b;
    ensures \result <==> same_address(a, b);
*/
_Bool IN6_ARE_ADDR_EQUAL(const struct in6_addr *a, const struct in6_addr *b);

/* Proven where it is included after this: address.h defines it. */
/*@ requires \valid_read(address);
    terminates \true;
    assigns \result \from *address;
    ensures \result <==> is_loopback_address(address);
*/
static inline bool address_is_loopback(const struct in6_addr *address);
