/*
 * What is taken for granted of the functions that both parsers of addresses call.
 */
#pragma once

#include <arpa/inet.h>
#include <stdint.h>

/* Of inet_pton(3): what it writes to is an address of the family that it is told. */
/*@ requires valid_read_string(text) && \valid(address);
    terminates \true;
    assigns *address, \result \from text[0 ..];
*/
int pton_AF_INET(const char *text, struct in_addr *address);

/*@ requires valid_read_string(text) && \valid(address);
    terminates \true;
    assigns *address, \result \from text[0 ..];
*/
int pton_AF_INET6(const char *text, struct in6_addr *address);

#define inet_pton(family, text, address) pton_##family(text, address)

/* Proven in units.c. */
/*@ requires valid_read_string(text) && \valid(count);
    requires \separated(count, text + (0 .. strlen(text)));
    terminates \true;
    assigns *count, \result \from text[0 ..];
    ensures \result == 0 || \result == -EINVAL || \result == -ERANGE;
*/
int units_parse_count(const char *text, uint64_t *count);
