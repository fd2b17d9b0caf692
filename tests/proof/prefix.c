/*
 * What is proven of src/common/prefix.c: a prefix holds exactly the addresses that share its bits.
 */
#include "echod/common/prefix.h"

#include "addresses.h"
#include "echod/common/address.h"
#include "parsers.h"

#include <errno.h>
#include <string.h>

/*@ terminates \true;
    assigns \result \from ipv4;
*/
struct in6_addr address_mapped(struct in_addr ipv4);

/* The first bits of a byte; what a prefix of so many bits takes of each byte of an address. */
/*@ logic integer first_bits(integer bits) =
      bits <= 0 ? 0 : bits == 1 ? 0x80 : bits == 2 ? 0xc0 : bits == 3 ? 0xe0 : bits == 4 ? 0xf0 :
      bits == 5 ? 0xf8 : bits == 6 ? 0xfc : bits == 7 ? 0xfe : 0xff;

    predicate is_cut(struct in6_addr *part, struct in6_addr *whole, integer bits) =
      \forall integer i; 0 <= i < 16 ==>
        part->s6_addr[i] == (whole->s6_addr[i] & first_bits(bits - 8 * i));

    lemma whole_byte: \forall integer byte; 0 <= byte <= 0xff ==> (byte & 0xff) == byte;

    lemma twice: \forall integer byte, bits; 0 <= byte <= 0xff ==>
      ((byte & first_bits(bits)) & first_bits(bits)) == (byte & first_bits(bits));

    lemma cut_again: \forall struct in6_addr *part, *whole, integer bits;
      is_cut(part, whole, bits) ==> is_cut(part, part, bits);

    lemma same_length{L1, L2}: \forall char *text;
      0 <= strlen{L1}(text) && (\forall integer i; 0 <= i <= strlen{L1}(text) ==>
        \at(text[i], L1) == \at(text[i], L2)) ==> strlen{L2}(text) == strlen{L1}(text);

    lemma behind: \forall char *text, integer i;
      valid_read_string(text) && 0 <= i <= strlen(text) && text[i] != 0 ==>
      valid_read_string(text + (i + 1)) && strlen(text + (i + 1)) == strlen(text) - i - 1;

    lemma first: \forall integer bits; 0 < bits < 8 ==> (0xff00 >> bits & 0xff) == first_bits(bits);
*/

/*@ requires \valid_read(address) && \valid(part) && \separated(address, part) && bits <= 128;
    terminates \true;
    assigns *part;
    ensures is_cut(part, address, bits);
*/
static void cut(const struct in6_addr *address, unsigned bits, struct in6_addr *part);

/*@ requires \valid_read(prefix) && \valid_read(address) && prefix->bits <= 128;
    terminates \true;
    assigns \result \from *prefix, *address;
    ensures \result <==> (is_v4_mapped(address) <==> is_v4_mapped(&prefix->address)) &&
      is_cut(&prefix->address, address, prefix->bits);
*/
bool prefix_contains(const struct prefix *prefix, const struct in6_addr *address);

/*@ requires valid_read_string(text) && \valid(prefix);
    requires \separated(prefix, text + (0 .. strlen(text)));
    terminates \true;
    assigns *prefix, \result \from text[0 ..];
    ensures \result == 0 || \result == -EINVAL;
    ensures \result == 0 ==> prefix->bits <= 128 &&
      is_cut(&prefix->address, &prefix->address, prefix->bits);
    ensures \result != 0 ==> prefix->bits == \old(prefix->bits) &&
      \forall integer i; 0 <= i < 16 ==>
        prefix->address.s6_addr[i] == \old(prefix->address.s6_addr[i]);
*/
int prefix_parse(const char *text, struct prefix *prefix);

#include "common/prefix.c"
