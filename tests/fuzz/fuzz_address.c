/* Any text as an address and as a prefix: what is read is what is written again, and a prefix holds
 * what it says bit by bit. */
#include "fuzz.h"

#include "echod/common/address.h"
#include "echod/common/prefix.h"

#include <errno.h>
#include <sys/un.h>

enum {
	BITS = 128,
};

static void
expect_same(const struct address *a, const struct address *b)
{
	EXPECT(a->length == b->length);
	EXPECT(memcmp(&a->storage, &b->storage, a->length) == 0);
}

static void
read_address(const char *text)
{
	struct address address = {.length = 1}, again;
	char written[ADDRESS_TEXT_SIZE], cut[8];
	struct in_addr ipv4;
	struct in6_addr ipv6;
	bool has_port;
	int error = address_parse(text, &address, &has_port);

	if (error) {
		EXPECT(error == -EINVAL && address.length == 1);
		return;
	}
	EXPECT(address_as_ipv6(&address, &ipv6));
	EXPECT(address.any.sa_family == AF_INET || address.any.sa_family == AF_INET6);
	EXPECT(address_format(&address, written, sizeof(written)) == written);
	EXPECT(has_port || address_port(&address) == 0);
	EXPECT(address_parse(written, &again, &has_port) == 0 && has_port);
	if (address_as_ipv4(&address, &ipv4)) { /* v4-mapped is written as IPv4 */
		struct in6_addr mapped = address_mapped(ipv4);

		EXPECT(memcmp(&mapped, &ipv6, sizeof(mapped)) == 0);
		EXPECT(again.any.sa_family == AF_INET);
		EXPECT(again.in4.sin_addr.s_addr == ipv4.s_addr);
		EXPECT(address_port(&again) == address_port(&address));
	} else {
		expect_same(&address, &again);
	}
	address_format(&address, cut, sizeof(cut));
	EXPECT(strncmp(cut, written, sizeof(cut) - 1) == 0 && strlen(cut) < sizeof(cut));
}

static unsigned
bit(const struct in6_addr *address, unsigned n)
{
	return address->s6_addr[n / 8] >> (7 - n % 8) & 1;
}

static bool
is_mapped(const struct in6_addr *address)
{
	for (unsigned n = 0; n < 96; n++)
		if (bit(address, n) != (n >= 80))
			return false;
	return true;
}

static void
read_prefix(const char *text, const struct in6_addr *other)
{
	const struct prefix untouched = {.bits = 4711};
	struct prefix prefix = untouched;
	struct in6_addr near;
	bool held;

	if (prefix_parse(text, &prefix) < 0) {
		EXPECT(memcmp(&prefix, &untouched, sizeof(prefix)) == 0);
		return;
	}
	EXPECT(prefix.bits <= BITS);
	for (unsigned n = prefix.bits; n < BITS; n++)
		EXPECT(bit(&prefix.address, n) == 0);

	/* the prefix, then the other's bits */
	near = *other;
	for (unsigned n = 0; n < prefix.bits; n++)
		near.s6_addr[n / 8] = (unsigned char)((near.s6_addr[n / 8] & ~(0x80 >> n % 8)) |
		                                      bit(&prefix.address, n) << (7 - n % 8));
	EXPECT(prefix_contains(&prefix, &near) == (is_mapped(&near) == is_mapped(&prefix.address)));

	held = is_mapped(other) == is_mapped(&prefix.address);
	for (unsigned n = 0; n < prefix.bits; n++)
		held &= bit(other, n) == bit(&prefix.address, n);
	EXPECT(prefix_contains(&prefix, other) == held);
}

/* What accept4(2) and recvmmsg(2) may store, of any family and length. */
static void
write_any(struct input *input)
{
	struct address address = {.length = input_byte(input) % (sizeof(struct sockaddr_un) + 1)};
	char text[ADDRESS_TEXT_SIZE];

	input_bytes(input, &address.storage, address.length);
	address.any.sa_family %= 16; /* the known ones are small */
	EXPECT(strlen(address_format(&address, text, sizeof(text))) < sizeof(text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	char *text = input_text(&input);
	struct in6_addr other;

	input_bytes(&input, &other, sizeof(other));
	read_address(text);
	read_prefix(text, &other);
	write_any(&input);
	free(text);
	return 0;
}
