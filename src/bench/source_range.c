#include "echod/bench/source_range.h"

#include "echod/common/prefix.h"

#include <errno.h>
#include <string.h>

#define MAX_COUNT (UINT64_C(1) << 32)

static unsigned char *
bytes_of(struct address *address, size_t *n)
{
	if (address->any.sa_family == AF_INET) {
		*n = sizeof(address->in4.sin_addr);
		return (unsigned char *)&address->in4.sin_addr;
	}
	*n = sizeof(address->in6.sin6_addr);
	return address->in6.sin6_addr.s6_addr;
}

/* The lowest 64 bits, which is all that a range moves in. */
static uint64_t
low_bits(struct address address)
{
	size_t n;
	const unsigned char *bytes = bytes_of(&address, &n);
	uint64_t low = 0;

	for (size_t i = n > 8 ? n - 8 : 0; i < n; i++)
		low = low << 8 | bytes[i];
	return low;
}

static void
set_low_bits(struct address *address, uint64_t low)
{
	size_t n;
	unsigned char *bytes = bytes_of(address, &n);

	for (size_t i = n; i-- > (n > 8 ? n - 8 : 0); low >>= 8)
		bytes[i] = (unsigned char)low;
}

static int
parse_prefix(const char *text, struct source_range *range)
{
	struct prefix prefix;
	unsigned host_bits;

	if (prefix_parse(text, &prefix) < 0 || prefix.bits < 128 - 32)
		return -EINVAL;
	host_bits = 128 - prefix.bits;
	range->first = address_from_ipv6(&prefix.address);
	range->count = UINT64_C(1) << host_bits;
	if (range->first.any.sa_family == AF_INET && host_bits >= 2) {
		set_low_bits(&range->first, low_bits(range->first) + 1);
		range->count -= 2;
	}
	return 0;
}

/* Whether the two differ only in what a range moves in. */
static bool
are_alike(struct address a, struct address b)
{
	set_low_bits(&a, 0);
	set_low_bits(&b, 0);
	return a.length == b.length && memcmp(&a.any, &b.any, a.length) == 0;
}

static int
parse_last(const char *text, struct source_range *range)
{
	struct address last;
	uint64_t low = low_bits(range->first);

	if (address_parse(text, &last, NULL) < 0 || !are_alike(range->first, last) ||
	        low_bits(last) < low || low_bits(last) - low >= MAX_COUNT)
		return -EINVAL;
	range->count = low_bits(last) - low + 1;
	return 0;
}

int
source_range_parse(const char *text, struct source_range *range)
{
	char first[ADDRESS_TEXT_SIZE];
	size_t length = strcspn(text, "-");
	struct source_range found = {.count = 1};
	int error = 0;

	if (strchr(text, '/'))
		return parse_prefix(text, range);
	if (length >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, length);
	first[length] = '\0';
	if (address_parse(first, &found.first, NULL) < 0 || address_port(&found.first) != 0)
		return -EINVAL;
	if (text[length] == '-')
		error = parse_last(text + length + 1, &found);
	if (error)
		return error;
	*range = found;
	return 0;
}

struct address
source_range_at(const struct source_range *range, uint64_t index)
{
	struct address address = range->first;

	if (address.length > 0)
		set_low_bits(&address, low_bits(address) + index % range->count);
	return address;
}
