#include "echod/tools/hdr.h"

#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define COOKIE            UINT32_C(0x1c849313)
#define COMPRESSED_COOKIE UINT32_C(0x1c849314)

enum {
	DIGITS = 2,           /* significant: 256 sub-buckets, as histogram.h has */
	COMPRESSED_HEADER = 8 /* cookie and length */
};

struct header {
	uint32_t cookie, length, offset, digits;
	uint64_t lowest, highest;
	unsigned char ratio[8]; /* a double: 1 */
};

static const unsigned char one[8] = {0x3f, 0xf0};

/* ZigZag LEB128 of at most 9 bytes, the ninth without a mark. Returns the end. */
static unsigned char *
put(unsigned char *to, int64_t value)
{
	uint64_t bits = (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);

	for (int i = 0; i < 8 && bits > 0x7f; i++, bits >>= 7)
		*to++ = (unsigned char)(bits | 0x80);
	*to++ = (unsigned char)bits;
	return to;
}

/* Returns the end, or NULL when the bytes do not reach. */
static const unsigned char *
get(const unsigned char *from, const unsigned char *end, int64_t *value)
{
	uint64_t bits = 0;

	for (int i = 0; from < end; i++) {
		unsigned char byte = *from++;

		bits |= (uint64_t)(i < 8 ? byte & 0x7f : byte) << 7 * i;
		if (i < 8 && byte & 0x80)
			continue;
		*value = (int64_t)(bits >> 1 ^ (0 - (bits & 1)));
		return from;
	}
	return NULL;
}

size_t
hdr_encode(const struct histogram *histogram, unsigned char *bytes)
{
	size_t n = histogram->total > 0 ? histogram_bucket(histogram->max) + 1 : 1;
	uint64_t highest = histogram_highest(n - 1);
	unsigned char *to = bytes + sizeof(struct header);
	struct header header = {.cookie = htobe32(COOKIE),
	        .digits = htobe32(DIGITS),
	        .lowest = htobe64(1),
	        .highest = htobe64(highest < 2           ? 2
	                           : highest > INT64_MAX ? INT64_MAX
	                                                 : highest)};

	for (size_t i = 0; i < n;) {
		size_t zeros = 0;

		while (i + zeros < n && histogram->counts[i + zeros] == 0)
			zeros++;
		to = put(to, zeros > 1 ? -(int64_t)zeros : (int64_t)histogram->counts[i]);
		i += zeros > 1 ? zeros : 1;
	}
	header.length = htobe32((uint32_t)(to - bytes - (ptrdiff_t)sizeof(header)));
	memcpy(header.ratio, one, sizeof(one));
	memcpy(bytes, &header, sizeof(header));
	return (size_t)(to - bytes);
}

static void
add(struct histogram *histogram, size_t bucket, uint64_t count)
{
	uint64_t lowest = histogram_lowest(bucket), highest = histogram_highest(bucket);

	histogram->counts[bucket] += count;
	if (histogram->total == 0 || lowest < histogram->min)
		histogram->min = lowest;
	if (highest > histogram->max)
		histogram->max = highest;
	histogram->total += count;
	histogram->sum += (lowest + (highest - lowest) / 2) * count;
}

int
hdr_decode(const unsigned char *bytes, size_t size, struct histogram *histogram)
{
	const unsigned char *from = bytes + sizeof(struct header), *end = bytes + size;
	struct header header;
	size_t i = 0;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	if (header.cookie != htobe32(COOKIE) || header.digits != htobe32(DIGITS) ||
	        header.lowest != htobe64(1) || header.offset != 0 ||
	        be32toh(header.length) != size - sizeof(header))
		return -EBADMSG;
	while (from < end) {
		int64_t value;

		from = get(from, end, &value);
		if (!from || i >= HISTOGRAM_BUCKETS ||
		        (value < 0 && value < -(int64_t)(HISTOGRAM_BUCKETS - i)))
			return -EBADMSG;
		if (value > 0)
			add(histogram, i, (uint64_t)value);
		i += value < 0 ? (size_t)-value : 1;
	}
	return 0;
}

char *
hdr_to_text(const unsigned char *bytes, size_t size)
{
	uLong bound = compressBound(size);
	size_t length = sodium_base64_ENCODED_LEN(
	        COMPRESSED_HEADER + bound, sodium_base64_VARIANT_ORIGINAL);
	unsigned char *packed = malloc(COMPRESSED_HEADER + bound);
	char *text = malloc(length);

	if (!packed || !text || compress(packed + COMPRESSED_HEADER, &bound, bytes, size) != Z_OK) {
		free(packed);
		free(text);
		return NULL;
	}
	memcpy(packed, &(uint32_t){htobe32(COMPRESSED_COOKIE)}, 4);
	memcpy(packed + 4, &(uint32_t){htobe32((uint32_t)bound)}, 4);
	sodium_bin2base64(
	        text, length, packed, COMPRESSED_HEADER + bound, sodium_base64_VARIANT_ORIGINAL);
	free(packed);
	return text;
}

int
hdr_from_text(const char *text, unsigned char *bytes, size_t *size)
{
	size_t length = strlen(text), n;
	unsigned char *packed = malloc(length + 1);
	uLong unpacked = HDR_MAX_SIZE;
	uint32_t head[2];
	int error = packed ? -EBADMSG : -ENOMEM;

	if (packed &&
	        sodium_base642bin(packed, length, text, length, NULL, &n, NULL,
	                sodium_base64_VARIANT_ORIGINAL) == 0 &&
	        n >= COMPRESSED_HEADER) {
		memcpy(head, packed, sizeof(head));
		if (head[0] == htobe32(COMPRESSED_COOKIE) &&
		        be32toh(head[1]) == n - COMPRESSED_HEADER &&
		        uncompress(bytes, &unpacked, packed + COMPRESSED_HEADER,
		                n - COMPRESSED_HEADER) == Z_OK)
			error = 0;
	}
	*size = unpacked;
	free(packed);
	return error;
}
