#include "echod/client/exchange.h"

#include "echod/common/clock.h"

enum {
	MIN_CAPACITY = 64, /* how many numbers are remembered, to know a duplicate */
};

int
exchanges_init(struct exchanges *exchanges, uint64_t pending)
{
	size_t capacity = 2 * pending > MIN_CAPACITY ? (size_t)(2 * pending) : MIN_CAPACITY;

	return inflight_init(&exchanges->inflight, capacity);
}

void
exchanges_release(struct exchanges *exchanges)
{
	inflight_release(&exchanges->inflight);
}

static void
report(struct exchanges *exchanges, struct exchange exchange)
{
	exchange.flow = exchanges->flow;
	exchanges->on_exchange(exchanges->owner, &exchange);
}

void
exchanges_lose(struct exchanges *exchanges, uint64_t number, int error)
{
	inflight_give_up(&exchanges->inflight, number);
	exchanges->tally.lost++;
	report(exchanges,
	        (struct exchange){.number = number, .result = EXCHANGE_LOST, .error = error});
}

uint64_t
exchanges_oldest_pending(struct exchanges *exchanges)
{
	while (exchanges->oldest < exchanges->begun &&
	        !inflight_is_pending(&exchanges->inflight, exchanges->oldest))
		exchanges->oldest++;
	return exchanges->oldest;
}

uint64_t
exchanges_age_ns(const struct exchanges *exchanges, uint64_t now_ns)
{
	return now_ns - inflight_slot(&exchanges->inflight, exchanges->oldest)->started_ns;
}

void
exchanges_lose_all(struct exchanges *exchanges, int error)
{
	while (exchanges_oldest_pending(exchanges) < exchanges->begun)
		exchanges_lose(exchanges, exchanges->oldest, error);
}

void
exchanges_begin(struct exchanges *exchanges)
{
	size_t slot = exchanges->begun % exchanges->inflight.capacity;
	const struct inflight_slot *s = &exchanges->inflight.slots[slot];

	uint64_t now_ns = clock_now_ns();

	if (s->state == INFLIGHT_PENDING) /* only after the whole process was stopped */
		exchanges_lose(exchanges, s->number, 0);
	exchanges->begun++;
	tally_sent(&exchanges->tally, now_ns);
	inflight_begin(&exchanges->inflight, slot, now_ns);
}

static uint64_t
key_of(const struct exchanges *exchanges, uint64_t number)
{
	return message_key(exchanges->message, exchanges->flow, number);
}

size_t
exchanges_next_bytes(const struct exchanges *exchanges, void *bytes)
{
	size_t length = exchanges->message->size - exchanges->out_offset;

	if (length > EXCHANGE_SCRATCH_SIZE)
		length = EXCHANGE_SCRATCH_SIZE;
	message_copy(exchanges->message, key_of(exchanges, exchanges->out_number),
	        exchanges->out_offset, bytes, length);
	return length;
}

void
exchanges_sent(struct exchanges *exchanges, size_t length)
{
	exchanges->out_offset += length;
	if (exchanges->out_offset < exchanges->message->size)
		return;
	exchanges->out_number++;
	exchanges->out_offset = 0;
}

/* It came back unchanged: in time, late, or once more. */
static void
take_echo(struct exchanges *exchanges, uint64_t number, enum inflight_verdict verdict)
{
	struct exchange exchange = {.number = number};
	const struct inflight_slot *slot = inflight_slot(&exchanges->inflight, number);

	if (slot->number == number)
		exchange.rtt_ns = clock_now_ns() - slot->started_ns;
	switch (verdict) {
	case INFLIGHT_AWAITED:
		exchange.result = EXCHANGE_ECHOED;
		exchange.reordered = tally_echo(&exchanges->tally, number, exchange.rtt_ns);
		break;
	case INFLIGHT_LATE:
		exchange.result = EXCHANGE_LATE;
		exchanges->tally.late++;
		break;
	case INFLIGHT_DUPLICATED:
	case INFLIGHT_UNKNOWN:
		exchange.result = EXCHANGE_DUPLICATED;
		exchanges->tally.duplicated++;
		break;
	}
	report(exchanges, exchange);
}

static void
take_corrupted(struct exchanges *exchanges, uint64_t number, size_t length, size_t same)
{
	exchanges->tally.corrupted++;
	report(exchanges, (struct exchange){.number = number,
	                          .result = EXCHANGE_CORRUPTED,
	                          .length = length,
	                          .same = same});
}

/* How many of the bytes are those of the message at this offset. */
static size_t
compare(struct exchanges *exchanges, uint64_t number, size_t offset, const unsigned char *bytes,
        size_t length)
{
	message_copy(
	        exchanges->message, key_of(exchanges, number), offset, exchanges->scratch, length);
	return payload_common_length(bytes, exchanges->scratch, length);
}

/* A piece of a stream, which does not reach beyond the message that comes back. */
static void
take_piece(struct exchanges *exchanges, const unsigned char *bytes, size_t length)
{
	size_t size = exchanges->message->size;
	enum inflight_verdict verdict;

	if (exchanges->in_same == exchanges->in_offset)
		exchanges->in_same += compare(
		        exchanges, exchanges->in_number, exchanges->in_offset, bytes, length);
	exchanges->in_offset += length;
	if (exchanges->in_offset < size)
		return;
	verdict = inflight_settle(&exchanges->inflight, exchanges->in_number);
	if (exchanges->in_same == size)
		take_echo(exchanges, exchanges->in_number, verdict);
	else
		take_corrupted(exchanges, exchanges->in_number, size, exchanges->in_same);
	exchanges->in_number++;
	exchanges->in_offset = exchanges->in_same = 0;
}

bool
exchanges_take_stream(struct exchanges *exchanges, const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		bool whole = exchanges->in_number < exchanges->out_number;
		size_t sent = whole ? exchanges->message->size : exchanges->out_offset;
		size_t piece = sent - exchanges->in_offset;

		if (piece == 0) {
			take_corrupted(exchanges, EXCHANGE_NO_NUMBER, length, 0);
			return false;
		}
		if (piece > length)
			piece = length;
		take_piece(exchanges, bytes, piece);
		bytes += piece;
		length -= piece;
	}
	return true;
}

/* Which exchange a datagram belongs to: by its key, or without keys the oldest that is pending. */
static uint64_t
find_number(struct exchanges *exchanges, const unsigned char *bytes, size_t length)
{
	uint64_t key, number;

	if (!message_is_numbered(exchanges->message))
		return exchanges_oldest_pending(exchanges);
	if (length < PAYLOAD_KEY_SIZE)
		return EXCHANGE_NO_NUMBER;
	key = payload_key_read(bytes);
	number = payload_key_number(key);
	return key == key_of(exchanges, number) && number < exchanges->begun ? number
	                                                                     : EXCHANGE_NO_NUMBER;
}

void
exchanges_take_datagram(struct exchanges *exchanges, const unsigned char *bytes, size_t length)
{
	struct inflight *inflight = &exchanges->inflight;
	size_t size = exchanges->message->size, same = 0;
	uint64_t number = find_number(exchanges, bytes, length);

	if (number != EXCHANGE_NO_NUMBER)
		same = compare(exchanges, number, 0, bytes, length < size ? length : size);
	if (same == size && length == size) {
		/* without a key, and none is pending */
		bool again = number == exchanges->begun;

		take_echo(exchanges, again ? number - 1 : number,
		        again ? INFLIGHT_DUPLICATED : inflight_settle(inflight, number));
		return;
	}
	if (number != EXCHANGE_NO_NUMBER && inflight_is_pending(inflight, number))
		inflight_settle(inflight, number);
	else
		number = EXCHANGE_NO_NUMBER;
	take_corrupted(exchanges, number, length, same);
}
