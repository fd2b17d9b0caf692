/*
 * What is proven of src/echod/proxy_header.c: whatever the bytes are, a header is at their
 * beginning, whole and no longer than it may be, or nothing is stored; and version 2 says what its
 * bytes say.
 */
#include "echod/proxy_header.h"

#include "addresses.h"
#include "echod/common/address.h"
#include "parsers.h"

#include <errno.h>
#include <string.h>

/*@ predicate is_text(unsigned char *b) = b[0] == 'P' && b[1] == 'R' && b[2] == 'O' &&
      b[3] == 'X' && b[4] == 'Y' && b[5] == ' ';

    predicate is_binary(unsigned char *b) = b[0] == '\r' && b[1] == '\n' && b[2] == '\r' &&
      b[3] == '\n' && b[4] == 0 && b[5] == '\r' && b[6] == '\n' && b[7] == 'Q' && b[8] == 'U' &&
      b[9] == 'I' && b[10] == 'T' && b[11] == '\n';

    // big endian
    logic integer word(unsigned char *b) = b[0] * 256 + b[1];

    predicate is_line(unsigned char *b, integer length) =
      6 < length <= 107 && b[length - 2] == '\r' && b[length - 1] == '\n' &&
      \forall integer i; 6 <= i < length - 1 ==> b[i] != '\n';

    predicate unchanged{L1, L2}(struct proxy_header *h) =
      \at(h->length, L1) == \at(h->length, L2) &&
      \at(h->has_source, L1) == \at(h->has_source, L2) && \at(h->port, L1) == \at(h->port, L2) &&
      \forall integer i; 0 <= i < 16 ==>
        \at(h->source.s6_addr[i], L1) == \at(h->source.s6_addr[i], L2);

    // two IPv4 addresses, two ports
    predicate says_ipv4(struct proxy_header *h, unsigned char *b) =
      is_v4_mapped(&h->source) && h->port == word(b + 24) &&
      \forall integer i; 0 <= i < 4 ==> h->source.s6_addr[12 + i] == b[16 + i];

    // two IPv6 addresses, two ports
    predicate says_ipv6(struct proxy_header *h, unsigned char *b) =
      h->port == word(b + 48) &&
      \forall integer i; 0 <= i < 16 ==> h->source.s6_addr[i] == b[16 + i];

    predicate says_binary(struct proxy_header *h, unsigned char *b) =
      (b[12] == 0x20 || b[12] == 0x21) && h->length == 16 + word(b + 14) &&
      (h->has_source <==> b[12] == 0x21 && (b[13] == 0x11 || b[13] == 0x21));

    predicate says_source(struct proxy_header *h, unsigned char *b) = h->has_source ==>
      (b[13] == 0x11 ==> h->length >= 28 && says_ipv4(h, b)) &&
      (b[13] == 0x21 ==> h->length >= 52 && says_ipv6(h, b));
*/

/*@ requires \valid_read(bytes + (0 .. 1));
    terminates \true;
    assigns \result \from bytes[0 .. 1];
    ensures \result == word(bytes);
*/
static uint16_t word_at(const unsigned char *bytes);

/*@ requires \valid_read(bytes + (0 .. length - 1)) && \valid_read(start + (0 .. size - 1));
    requires \forall integer i; 0 <= i < size ==> 0 <= start[i];
    terminates \true;
    assigns \result \from bytes[0 .. length - 1], start[0 .. size - 1];
    ensures \result <==> \forall integer i; 0 <= i < length && i < size ==>
      bytes[i] == start[i];
*/
static bool begins(const unsigned char *bytes, size_t length, const char *start, size_t size);

/*@ requires length >= 6 && \valid_read(bytes + (0 .. length - 1));
    terminates \true;
    assigns \result \from bytes[0 .. length - 1];
    ensures \result > 0 || \result == -EAGAIN || \result == -EPROTO;
    ensures line: \result > 0 ==> \result <= length && is_line(bytes, \result);
    ensures more: \result == -EAGAIN <==> length < 107 &&
      \forall integer i; 6 <= i < length ==> bytes[i] != '\n';
*/
static int line_length(const unsigned char *bytes, size_t length);

/*@ requires length >= 6 && \valid_read(bytes + (0 .. length - 1)) && \valid(header);
    requires \separated(header, bytes + (0 .. length - 1));
    terminates \true;
    assigns *header, \result \from bytes[0 .. length - 1];
    ensures \result == 0 || \result == -EAGAIN || \result == -EPROTO;
    ensures whole: \result == 0 ==> header->length <= length && is_line(bytes, header->length);
    ensures more: \result == -EAGAIN ==> length < 107;
    ensures none: \result != 0 ==> unchanged{Pre, Post}(header);
*/
static int parse_text(const unsigned char *bytes, size_t length, struct proxy_header *header);

/*@ terminates \true;
    assigns \result \from protocol;
    ensures \result == (protocol == 0x00 ? 0 : protocol == 0x11 ? 12 : protocol == 0x21 ? 36 :
      protocol == 0x31 ? 216 : PROXY_HEADER_MOST);
*/
static size_t addresses_size(unsigned char protocol);

/*@ requires \valid(header) && \valid_read(bytes + (0 .. 27));
    requires bytes[13] == 0x21 ==> \valid_read(bytes + (0 .. 51));
    requires bytes[13] == 0x11 || bytes[13] == 0x21;
    requires \separated(header, bytes + (0 .. (bytes[13] == 0x11 ? 27 : 51)));
    terminates \true;
    assigns header->source, header->port \from bytes[0 .. 51];
    ensures bytes[13] == 0x11 ==> says_ipv4(header, bytes);
    ensures bytes[13] == 0x21 ==> says_ipv6(header, bytes);
*/
static void read_addresses(const unsigned char *bytes, struct proxy_header *header);

/*@ requires \valid_read(bytes + (0 .. length - 1)) && \valid(header);
    requires \separated(header, bytes + (0 .. length - 1));
    terminates \true;
    assigns *header, \result \from bytes[0 .. length - 1];
    ensures \result == 0 || \result == -EAGAIN || \result == -EPROTO;
    ensures whole: \result == 0 ==> 16 <= header->length <= length &&
      header->length <= PROXY_HEADER_MOST && says_binary(header, bytes);
    ensures source: \result == 0 ==> says_source(header, bytes);
    ensures more: \result == -EAGAIN ==> length < PROXY_HEADER_MOST;
    ensures none: \result != 0 ==> unchanged{Pre, Post}(header);
*/
static int parse_binary(const unsigned char *bytes, size_t length, struct proxy_header *header);

/*@ requires \valid_read(bytes + (0 .. length - 1)) && \valid(header);
    requires \separated(header, bytes + (0 .. length - 1));
    terminates \true;
    assigns *header, \result \from bytes[0 .. length - 1];
    ensures \result == 0 || \result == -EAGAIN || \result == -EPROTO;
    ensures whole: \result == 0 ==>
      header->length <= length && header->length <= PROXY_HEADER_MOST &&
      (is_text(bytes) && is_line(bytes, header->length) ||
       is_binary(bytes) && says_binary(header, bytes) && says_source(header, bytes));
    ensures more: \result == -EAGAIN ==> length < PROXY_HEADER_MOST;
    ensures none: \result != 0 ==> unchanged{Pre, Post}(header);
*/
int proxy_header_parse(const unsigned char *bytes, size_t length, struct proxy_header *header);

/*@ terminates \true;
    assigns \result \from ipv4;
*/
struct in6_addr address_mapped(struct in_addr ipv4);

#include "echod/proxy_header.c"

/*@ predicate is_rest(struct text *text) =
      0 < text->left <= 107 && \valid_read(text->next + (0 .. text->left - 1)) &&
      text->next[text->left - 1] == '\r';

    predicate is_shorter{L1, L2}(struct text *text) =
      0 <= \at(text->left, L2) < \at(text->left, L1) &&
      \at(text->next, L2) == \at(text->next, L1) + (\at(text->left, L1) - \at(text->left, L2));
*/

/*@ requires \valid(text) && is_rest(text);
    requires \valid(field + (0 .. INET6_ADDRSTRLEN - 1));
    requires \separated(text, field + (0 .. INET6_ADDRSTRLEN - 1),
      text->next + (0 .. text->left - 1));
    requires stop == ' ' || stop == '\r';
    terminates \true;
    assigns *text, field[0 .. INET6_ADDRSTRLEN - 1], \result \from *text, text->next[0 ..], stop;
    ensures \result ==> valid_read_string(field) && strlen(field) < INET6_ADDRSTRLEN;
    ensures \result ==> is_shorter{Pre, Post}(text);
    ensures \result && stop == ' ' ==> is_rest(text);
    ensures !\result ==> text->next == \old(text->next) && text->left == \old(text->left);
*/
static bool take_field(struct text *text, unsigned char stop, char field[INET6_ADDRSTRLEN]);

/*@ requires \valid(text) && is_rest(text) && \valid(address);
    requires \separated(text, address, text->next + (0 .. text->left - 1));
    terminates \true;
    assigns *text, *address, \result \from *text, text->next[0 ..], is_ipv6;
    ensures \result ==> is_shorter{Pre, Post}(text) && is_rest(text);
*/
static bool take_address(struct text *text, bool is_ipv6, struct in6_addr *address);

/*@ requires \valid(text) && is_rest(text) && \valid(port);
    requires \separated(text, port, text->next + (0 .. text->left - 1));
    requires stop == ' ' || stop == '\r';
    terminates \true;
    assigns *text, *port, \result \from *text, text->next[0 ..], stop;
    ensures \result ==> is_shorter{Pre, Post}(text);
    ensures \result && stop == ' ' ==> is_rest(text);
*/
static bool take_port(struct text *text, unsigned char stop, uint16_t *port);

/*@ requires \valid(text) && is_rest(text) && \valid(header);
    requires \separated(text, header, text->next + (0 .. text->left - 1));
    terminates \true;
    assigns *text, header->source, header->port, \result \from *text, text->next[0 ..], is_ipv6;
*/
static bool take_addresses(struct text *text, bool is_ipv6, struct proxy_header *header);
