/* Where a flow's bytes cross into the kernel, and what comes back is told apart. */
#include "echod/client/flow.h"

#include "echod/common/clock.h"

#include <errno.h>
#include <string.h>

static bool
is_no_error(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* Writes the rest of the first unsent message. Returns the bytes written or a negative errno. */
static ssize_t
send_rest(struct flow *flow)
{
	const struct message *message = flow->plan->message;
	size_t length = message->size - flow->out_offset;
	uint64_t key = message_key(message, flow->index, flow->out_number);
	ssize_t sent;

	if (length > FLOW_SCRATCH_SIZE)
		length = FLOW_SCRATCH_SIZE;
	message_copy(message, key, flow->out_offset, flow->plan->scratch, length);
	sent = send(flow->peer_fd, flow->plan->scratch, length, MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent;
}

void
flow_send(struct flow *flow)
{
	int events = EV_READ;

	while (flow->out_number < flow->begun) {
		ssize_t sent = send_rest(flow);

		if (sent < 0 && is_no_error((int)-sent)) {
			events |= EV_WRITE;
			break;
		}
		if (sent < 0) {
			flow->out_number = flow->begun; /* a datagram is not tried again */
			flow_fail(flow, (int)sent);
			break;
		}
		flow->out_offset += (size_t)sent;
		if (flow->out_offset == flow->plan->message->size) {
			flow->out_number++;
			flow->out_offset = 0;
		}
	}
	if (flow->state != FLOW_ENDED && flow->io.events != events) {
		ev_io_stop(flow->plan->loop, &flow->io);
		ev_io_set(&flow->io, flow->peer_fd, events);
		ev_io_start(flow->plan->loop, &flow->io);
	}
}

static void
report(struct flow *flow, struct exchange exchange)
{
	exchange.flow = flow;
	flow->plan->on_exchange(flow->plan->owner, &exchange);
}

/* Unchanged it came back: in time, late, or once more. */
static void
take_echo(struct flow *flow, uint64_t number, enum inflight_verdict verdict)
{
	struct exchange exchange = {.number = number};
	const struct inflight_slot *slot = inflight_slot(&flow->inflight, number);

	if (slot->number == number)
		exchange.rtt_ns = clock_now_ns() - slot->started_ns;
	switch (verdict) {
	case INFLIGHT_AWAITED:
		exchange.result = EXCHANGE_ECHOED;
		exchange.reordered = tally_echo(&flow->tally, number, exchange.rtt_ns);
		break;
	case INFLIGHT_LATE:
		exchange.result = EXCHANGE_LATE;
		flow->tally.late++;
		break;
	case INFLIGHT_DUPLICATED:
	case INFLIGHT_UNKNOWN:
		exchange.result = EXCHANGE_DUPLICATED;
		flow->tally.duplicated++;
		break;
	}
	report(flow, exchange);
}

static void
take_corrupted(struct flow *flow, uint64_t number, size_t length, size_t same)
{
	flow->tally.corrupted++;
	report(flow, (struct exchange){.number = number,
	                     .result = EXCHANGE_CORRUPTED,
	                     .length = length,
	                     .same = same});
}

/* How many of the bytes are those of the message at this offset. */
static size_t
compare(struct flow *flow, uint64_t number, size_t offset, const unsigned char *bytes,
        size_t length)
{
	const struct message *message = flow->plan->message;
	unsigned char *expected = flow->plan->scratch + FLOW_SCRATCH_SIZE;
	size_t same = 0;

	message_copy(message, message_key(message, flow->index, number), offset, expected, length);
	if (memcmp(bytes, expected, length) == 0)
		return length;
	while (bytes[same] == expected[same])
		same++;
	return same;
}

/* A piece of a stream, which does not reach beyond the message that comes back. */
static void
take_piece(struct flow *flow, const unsigned char *bytes, size_t length)
{
	size_t size = flow->plan->message->size;

	if (flow->in_same == flow->in_offset)
		flow->in_same += compare(flow, flow->in_number, flow->in_offset, bytes, length);
	flow->in_offset += length;
	if (flow->in_offset < size)
		return;

	enum inflight_verdict verdict = inflight_settle(&flow->inflight, flow->in_number);
	if (flow->in_same == size)
		take_echo(flow, flow->in_number, verdict);
	else
		take_corrupted(flow, flow->in_number, size, flow->in_same);
	flow->in_number++;
	flow->in_offset = flow->in_same = 0;
}

static void
take_stream(struct flow *flow, const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		bool whole = flow->in_number < flow->out_number;
		size_t sent = whole ? flow->plan->message->size : flow->out_offset;
		size_t piece = sent - flow->in_offset;

		if (piece == 0) { /* more than was ever sent */
			take_corrupted(flow, EXCHANGE_NO_NUMBER, length, 0);
			flow_finish(flow);
			return;
		}
		if (piece > length)
			piece = length;
		take_piece(flow, bytes, piece);
		bytes += piece;
		length -= piece;
	}
	flow_go_on(flow);
}

/* Which exchange a datagram belongs to: by its key, or if it has none the oldest that is pending.
 */
static uint64_t
find_number(struct flow *flow, const unsigned char *bytes, size_t length)
{
	const struct message *message = flow->plan->message;
	uint64_t key, number;

	if (!message_is_numbered(message))
		return flow_oldest_pending(flow);
	if (length < PAYLOAD_KEY_SIZE)
		return EXCHANGE_NO_NUMBER;
	key = payload_key_read(bytes);
	number = payload_key_number(key);
	return key == message_key(message, flow->index, number) && number < flow->begun
	               ? number
	               : EXCHANGE_NO_NUMBER;
}

static void
take_datagram(struct flow *flow, const unsigned char *bytes, size_t length)
{
	size_t size = flow->plan->message->size;
	uint64_t number = find_number(flow, bytes, length);
	size_t same = 0;

	if (number != EXCHANGE_NO_NUMBER)
		same = compare(flow, number, 0, bytes, length < size ? length : size);
	if (same == size && length == size) {
		bool again = number == flow->begun; /* without a key, and none is pending */

		take_echo(flow, again ? number - 1 : number,
		        again ? INFLIGHT_DUPLICATED : inflight_settle(&flow->inflight, number));
	} else {
		if (number != EXCHANGE_NO_NUMBER && inflight_is_pending(&flow->inflight, number))
			inflight_settle(&flow->inflight, number);
		else
			number = EXCHANGE_NO_NUMBER;
		take_corrupted(flow, number, length, same);
	}
	flow_go_on(flow);
}

void
flow_receive(struct flow *flow)
{
	unsigned char *bytes = flow->plan->scratch;
	ssize_t received = recv(flow->peer_fd, bytes, FLOW_SCRATCH_SIZE, 0);

	if (received < 0) {
		if (!is_no_error(errno))
			flow_fail(flow, -errno);
	} else if (flow->plan->dial.datagram) {
		take_datagram(flow, bytes, (size_t)received);
	} else if (received > 0) {
		take_stream(flow, bytes, (size_t)received);
	} else {
		flow_fail(flow, -EPIPE);
	}
}
