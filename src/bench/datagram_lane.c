/*
 * Messages over UDP, a batch of them in one call. Each carries its lane and its number, so that
 * loss, duplication and the echo of a datagram of another socket are told apart.
 */
#include "echod/bench/lane.h"

#include "echod/common/clock.h"
#include "echod/tools/inflight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH = 64,
	RECEIVE_BUFFER = 8 * 1024 * 1024,
};

struct datagram_batch {
	size_t slots[BATCH]; /* where the messages that go out are noted */
	unsigned char keys[BATCH][PAYLOAD_KEY_SIZE];
	struct iovec out[BATCH][2]; /* the key, and what follows it in the payload */
	struct iovec in[BATCH];
	struct mmsghdr out_headers[BATCH], in_headers[BATCH];
};

struct datagrams {
	struct lane lane;
	struct inflight inflight;
	uint64_t begun; /* in an open loop: how many are due */
	uint64_t sent;
	size_t next; /* the slot to look at first for one that is free */
};

static struct datagrams *
datagrams_of(struct lane *lane)
{
	return (struct datagrams *)(void *)lane;
}

static size_t
datagram_size(const struct traffic *traffic)
{
	(void)traffic;
	return sizeof(struct datagrams);
}

static int
datagram_prepare(struct traffic *traffic)
{
	size_t room = traffic->size + 1; /* one more, to see that a datagram is too long */
	struct datagram_batch *batch = calloc(1, sizeof(*batch));

	traffic->batch = batch;
	traffic->scratch_size = BATCH * room;
	traffic->scratch = malloc(traffic->scratch_size);
	if (!batch || !traffic->scratch)
		return -ENOMEM;
	for (size_t i = 0; i < BATCH; i++) {
		batch->out[i][0] = (struct iovec){batch->keys[i], PAYLOAD_KEY_SIZE};
		batch->out[i][1].iov_len = traffic->size - PAYLOAD_KEY_SIZE;
		batch->out_headers[i].msg_hdr.msg_iov = batch->out[i];
		batch->out_headers[i].msg_hdr.msg_iovlen = 2;
		batch->in[i] = (struct iovec){traffic->scratch + i * room, room};
		batch->in_headers[i].msg_hdr.msg_iov = &batch->in[i];
		batch->in_headers[i].msg_hdr.msg_iovlen = 1;
	}
	return 0;
}

static void
datagram_end(struct lane *lane)
{
	if (!lane->open)
		return;
	traffic_lost(lane->traffic, lane->pending);
	lane->pending = 0;
	lane->open = false;
	ev_io_stop(lane->traffic->loop, &lane->io);
	close(lane->io.fd);
	inflight_release(&datagrams_of(lane)->inflight);
}

static void
write_message(struct datagrams *datagrams, size_t i, uint64_t number)
{
	struct traffic *traffic = datagrams->lane.traffic;
	struct datagram_batch *batch = traffic->batch;
	uint64_t key = payload_key(datagrams->lane.index, number);
	const void *bytes = payload_at(&traffic->payload, payload_position(key));

	payload_key_write(key, batch->keys[i]);
	/* an iovec has no const, sendmmsg does not write */
	memcpy(&batch->out[i][1].iov_base, &bytes, sizeof(bytes));
}

static void
give_up(struct datagrams *datagrams, struct inflight_slot *slot)
{
	inflight_give_up(&datagrams->inflight, slot->number);
	datagrams->lane.pending--;
	traffic_lost(datagrams->lane.traffic, 1);
}

/* In a closed loop whichever is free, and the one that has been so longest: what came back is
 * remembered as long as may be. In an open loop the one after the other, whatever is in it. */
static size_t
choose_slot(struct datagrams *datagrams)
{
	struct inflight *inflight = &datagrams->inflight;
	size_t slot;

	do {
		slot = datagrams->next;
		datagrams->next = slot + 1 == inflight->capacity ? 0 : slot + 1;
	} while (!datagrams->lane.traffic->open_loop &&
	         inflight->slots[slot].state == INFLIGHT_PENDING);
	if (inflight->slots[slot].state == INFLIGHT_PENDING) /* we got behind the schedule */
		give_up(datagrams, &inflight->slots[slot]);
	return slot;
}

static size_t
count_sendable(const struct datagrams *datagrams)
{
	const struct traffic *traffic = datagrams->lane.traffic;
	uint64_t n = datagrams->begun - datagrams->sent;

	if (!traffic->open_loop) {
		n = traffic->depth - datagrams->inflight.pending;
		n = n < traffic->budget ? n : traffic->budget;
		n = traffic->running ? n : 0;
	}
	return n < BATCH ? (size_t)n : BATCH;
}

/* Notes the first n messages of the batch as sent; the slots of the others stay as they were. */
static void
note_sent(struct datagrams *datagrams, size_t n, uint64_t now_ns)
{
	struct traffic *traffic = datagrams->lane.traffic;

	for (size_t i = 0; i < n; i++, datagrams->sent++) {
		uint64_t k = datagrams->sent * traffic->n_lanes + datagrams->lane.index;
		uint64_t started_ns =
		        traffic->open_loop ? schedule_due_ns(&traffic->schedule, k) : now_ns;

		inflight_begin(&datagrams->inflight, traffic->batch->slots[i], started_ns);
	}
	if (traffic->open_loop) {
		datagrams->next = datagrams->sent % datagrams->inflight.capacity;
	} else {
		datagrams->lane.pending += n;
		traffic_begun(traffic, n);
	}
}

static void
flush(struct datagrams *datagrams)
{
	struct traffic *traffic = datagrams->lane.traffic;
	struct datagram_batch *batch = traffic->batch;
	size_t n;
	int sent = 0;

	while ((n = count_sendable(datagrams)) > 0) {
		uint64_t now_ns = clock_now_ns();

		for (size_t i = 0; i < n; i++) {
			batch->slots[i] = choose_slot(datagrams);
			write_message(
			        datagrams, i, inflight_next(&datagrams->inflight, batch->slots[i]));
		}
		sent = sendmmsg(
		        datagrams->lane.io.fd, batch->out_headers, (unsigned)n, MSG_DONTWAIT);
		note_sent(datagrams, sent < 0 ? 0 : (size_t)sent, now_ns);
		if (sent < 0)
			break;
	}
	/* any other error is told of what was sent before: the next tick tries again */
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		traffic_trouble(traffic, -errno);
	lane_await(&datagrams->lane, sent < 0 && errno == EAGAIN);
}

static void
take(struct datagrams *datagrams, const unsigned char *bytes, size_t length, uint64_t now_ns)
{
	struct traffic *traffic = datagrams->lane.traffic;
	struct inflight *inflight = &datagrams->inflight;
	uint64_t key = length < PAYLOAD_KEY_SIZE ? 0 : payload_key_read(bytes);
	uint64_t number = payload_key_number(key);
	struct inflight_slot *slot = inflight_slot(inflight, number);
	enum inflight_verdict verdict;

	if (length != traffic->size || key != payload_key(datagrams->lane.index, number) ||
	        payload_compare(&traffic->payload, payload_position(key), bytes + PAYLOAD_KEY_SIZE,
	                length - PAYLOAD_KEY_SIZE) < length - PAYLOAD_KEY_SIZE) {
		traffic->counts.corrupted++;
		return;
	}
	verdict = inflight_settle(inflight, number);
	switch (verdict) {
	case INFLIGHT_AWAITED:
		datagrams->lane.pending--;
		traffic_echoed(traffic, slot->started_ns, now_ns, 1);
		break;
	case INFLIGHT_LATE:
		traffic->counts.late++;
		break;
	case INFLIGHT_DUPLICATED:
		traffic->counts.duplicated++;
		break;
	case INFLIGHT_UNKNOWN:
		traffic->counts.corrupted++;
		break;
	}
}

static void
receive(struct datagrams *datagrams)
{
	struct traffic *traffic = datagrams->lane.traffic;
	struct datagram_batch *batch = traffic->batch;
	/* asking for more than can be there would cost a look into the empty queue */
	uint64_t wanted = datagrams->lane.pending;
	int n = recvmmsg(datagrams->lane.io.fd, batch->in_headers,
	        wanted < 1       ? 1
	        : wanted < BATCH ? (unsigned)wanted
	                         : BATCH,
	        MSG_DONTWAIT, NULL);
	uint64_t now_ns;

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			traffic_trouble(traffic, -errno);
		return;
	}
	now_ns = clock_now_ns();
	for (int i = 0; i < n; i++)
		take(datagrams, batch->in[i].iov_base, batch->in_headers[i].msg_len, now_ns);
	if (!(datagrams->lane.io.events & EV_WRITE))
		flush(datagrams);
}

static void
datagram_on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct datagrams *datagrams = (struct datagrams *)(void *)io;

	(void)loop;
	if (revents & EV_READ)
		receive(datagrams);
	if (revents & EV_WRITE)
		flush(datagrams);
}

static void
grow_receive_buffer(int peer_fd, const struct traffic *traffic)
{
	size_t messages = traffic->open_loop ? traffic->capacity : traffic->depth;
	size_t wanted = messages * (traffic->size + 1024);
	int size = wanted < RECEIVE_BUFFER ? (int)wanted : RECEIVE_BUFFER;

	/* beyond the system's limit where that is allowed, up to it where not */
	if (setsockopt(peer_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(peer_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int
datagram_start(struct lane *lane, struct traffic *traffic, uint64_t index, int peer_fd)
{
	struct datagrams *datagrams = datagrams_of(lane);

	*datagrams = (struct datagrams){
	        .lane = {.traffic = traffic, .index = index, .open = true},
	};
	grow_receive_buffer(peer_fd, traffic);
	ev_io_init(&lane->io, datagram_on_io, peer_fd, EV_READ);
	ev_io_start(traffic->loop, &lane->io);
	return inflight_init(&datagrams->inflight, traffic->capacity);
}

static void
datagram_pump(struct lane *lane)
{
	if (!(lane->io.events & EV_WRITE))
		flush(datagrams_of(lane));
}

static void
datagram_add(struct lane *lane)
{
	datagrams_of(lane)->begun++;
	lane->pending++;
	traffic_begun(lane->traffic, 1);
}

static void
datagram_tick(struct lane *lane, uint64_t now_ns)
{
	struct datagrams *datagrams = datagrams_of(lane);
	struct inflight *inflight = &datagrams->inflight;

	for (size_t i = 0; inflight->pending > 0 && i < inflight->capacity; i++) {
		struct inflight_slot *slot = &inflight->slots[i];

		if (slot->state != INFLIGHT_PENDING ||
		        now_ns < slot->started_ns + lane->traffic->timeout_ns)
			continue;
		give_up(datagrams, slot);
	}
	flush(datagrams);
}

const struct lane_kind datagram_lane = {
        .size = datagram_size,
        .prepare = datagram_prepare,
        .start = datagram_start,
        .pump = datagram_pump,
        .add = datagram_add,
        .tick = datagram_tick,
        .end = datagram_end,
};
