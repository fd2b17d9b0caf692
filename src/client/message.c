#include "echod/client/message.h"

#include <string.h>

void
message_init(struct message *message, const char *text, size_t size, uint64_t seed)
{
	message->text = text;
	message->size = size;
	message->stream = seed;
	payload_init(&message->payload, seed);
}

bool
message_is_numbered(const struct message *message)
{
	return !message->text && message->size >= PAYLOAD_KEY_SIZE;
}

uint64_t
message_key(const struct message *message, size_t flow, uint64_t number)
{
	return message_is_numbered(message) ? payload_key(message->stream + flow, number) : 0;
}

void
message_copy(const struct message *message, uint64_t key, size_t offset, void *bytes, size_t length)
{
	unsigned char *to = bytes, key_bytes[PAYLOAD_KEY_SIZE];
	size_t header = 0;

	if (message->text) {
		memcpy(to, message->text + offset, length);
		return;
	}
	if (message_is_numbered(message) && offset < PAYLOAD_KEY_SIZE) {
		header = PAYLOAD_KEY_SIZE - offset < length ? PAYLOAD_KEY_SIZE - offset : length;
		payload_key_write(key, key_bytes);
		memcpy(to, key_bytes + offset, header);
	}
	payload_copy(&message->payload, payload_position(key) + offset + header, to + header,
	        length - header);
}
