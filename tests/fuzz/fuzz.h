/*
 * What every fuzzer includes: libFuzzer's entry, the bytes it makes up, and a claim that has to
 * hold for all of them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* https://llvm.org/docs/LibFuzzer.html */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define EXPECT(claim)                                                                              \
	do {                                                                                       \
		if (!(claim)) {                                                                    \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* The fuzzer's bytes, taken from the front; beyond the end there are only zeros. */
struct input {
	const uint8_t *next;
	size_t left;
};

static inline uint8_t
input_byte(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->next++;
}

/* Big endian, of 1 to 8 bytes. */
static inline uint64_t
input_number(struct input *input, size_t bytes)
{
	uint64_t number = 0;

	while (bytes-- > 0)
		number = number << 8 | input_byte(input);
	return number;
}

static inline void
input_bytes(struct input *input, void *into, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)into)[i] = input_byte(input);
}

/* The bytes up to a NUL or the end as a string of its own, whose end a sanitizer guards; free() it.
 */
static inline char *
input_text(struct input *input)
{
	size_t length = strnlen((const char *)input->next, input->left);
	char *text = malloc(length + 1);

	EXPECT(text);
	memcpy(text, input->next, length);
	text[length] = '\0';
	input->next += length;
	input->left -= length;
	input_byte(input);
	return text;
}
