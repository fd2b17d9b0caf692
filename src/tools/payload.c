#include "echod/tools/payload.h"

#include <endian.h>
#include <string.h>

enum { NUMBER_BITS = 40 };

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014). */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void
payload_init(struct payload *payload, uint64_t seed)
{
	for (size_t i = 0; i < PAYLOAD_PERIOD; i++)
		payload->bytes[i] = (unsigned char)mix(seed += UINT64_C(0x9e3779b97f4a7c15));
	for (size_t i = PAYLOAD_PERIOD; i < sizeof(payload->bytes); i++)
		payload->bytes[i] = payload->bytes[i - PAYLOAD_PERIOD];
}

size_t
payload_common_length(const unsigned char *a, const unsigned char *b, size_t length)
{
	size_t same = 0;

	if (memcmp(a, b, length) == 0)
		return length;
	while (a[same] == b[same])
		same++;
	return same;
}

size_t
payload_compare(const struct payload *payload, uint64_t position, const void *bytes, size_t length)
{
	const unsigned char *given = bytes;
	size_t done = 0;

	while (done < length) {
		size_t piece = length - done < PAYLOAD_SPAN ? length - done : PAYLOAD_SPAN;
		size_t same = payload_common_length(
		        given + done, payload_at(payload, position + done), piece);

		done += same;
		/* cppcheck-suppress knownConditionTrueFalse ; it overlooks the loop above */
		if (same < piece)
			break;
	}
	return done;
}

void
payload_copy(const struct payload *payload, uint64_t position, void *bytes, size_t length)
{
	unsigned char *to = bytes;

	for (size_t done = 0; done < length;) {
		size_t piece = length - done < PAYLOAD_SPAN ? length - done : PAYLOAD_SPAN;

		memcpy(to + done, payload_at(payload, position + done), piece);
		done += piece;
	}
}

uint64_t
payload_key(uint64_t stream, uint64_t number)
{
	return stream << NUMBER_BITS | (number & ((UINT64_C(1) << NUMBER_BITS) - 1));
}

uint64_t
payload_key_stream(uint64_t key)
{
	return key >> NUMBER_BITS;
}

uint64_t
payload_key_number(uint64_t key)
{
	return key & ((UINT64_C(1) << NUMBER_BITS) - 1);
}

void
payload_key_write(uint64_t key, unsigned char bytes[PAYLOAD_KEY_SIZE])
{
	uint64_t wire = htobe64(key);

	memcpy(bytes, &wire, sizeof(wire));
}

uint64_t
payload_key_read(const unsigned char bytes[PAYLOAD_KEY_SIZE])
{
	uint64_t wire;

	memcpy(&wire, bytes, sizeof(wire));
	return be64toh(wire);
}

uint64_t
payload_position(uint64_t key)
{
	return mix(key) >> 16;
}
