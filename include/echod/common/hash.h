/*
 * A fast hash without a key (Fibonacci hashing), for tables in which keys that collide cost a
 * bounded time. Peers can choose such keys: where that would hurt, source_hash() has a key.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Of whole words of 4 bytes; bytes behind the last of them do not count. 16 bits. */
static inline uint32_t
hash_words(const void *bytes, size_t length)
{
	uint32_t hash = 0, word;

	for (size_t i = 0; i + sizeof(word) <= length; i += sizeof(word)) {
		memcpy(&word, (const char *)bytes + i, sizeof(word));
		hash = (hash ^ word) * UINT32_C(0x9e3779b1);
	}
	return hash >> 16;
}
