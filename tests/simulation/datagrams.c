#include "datagrams.h"

#include "clock.h"
#include "epoll.h"
#include "faults.h"
#include "parcel.h"
#include "random.h"
#include "tokens.h"
#include "trace.h"

#include <errno.h>
#include <linux/udp.h>
#include <string.h>

enum {
	SOURCES = 4,      /* of parcel_new() */
	PIECES_MOST = 64, /* UDP_MAX_SEGMENTS of older kernels */
	MESSAGE_MOST = 65507,
};

struct datagrams {
	int fd;
	int family;
	struct parcel all[PARCEL_SLOTS];
	uint32_t first, end;  /* those that wait, counted from the start */
	uint32_t given;       /* from it on to first: received last */
	uint64_t received_ns; /* when the daemon took some last, and their tokens */
	bool joins, cuts;     /* UDP_GRO and UDP_SEGMENT have been set */
	bool full;            /* since then a datagram was refused for want of buffer */
};

static struct {
	struct datagrams socket;
	struct datagrams_count count;
	uint64_t told_drops;
	bool drops_untold; /* since then */
	const struct options *options;
	uint64_t rate; /* of these options */
	struct tokens tokens[SOURCES];
} state;

void
datagrams_begin(void)
{
	memset(&state, 0, sizeof(state));
	state.socket.fd = -1;
}

void
datagrams_serving(const struct options *options)
{
	state.options = options;
	if (state.rate == 0) /* nothing has been counted */
		memset(state.tokens, 0, sizeof(state.tokens));
	state.rate = options->udp_rate;
}

struct datagrams *
datagrams_new(int fd, int family)
{
	expect(state.socket.fd < 0, "two UDP sockets are opened");
	state.socket.fd = fd;
	state.socket.family = family;
	return &state.socket;
}

void
datagrams_close(struct datagrams *udp)
{
	udp->fd = -1;
	udp->first = udp->given = udp->end;
	udp->joins = udp->cuts = false;
}

void
datagrams_set_option(struct datagrams *udp, int name, int value)
{
	if (name == UDP_GRO)
		udp->joins = value;
	else if (name == UDP_SEGMENT)
		udp->cuts = value == 0; /* a size of the socket's own is not wanted */
}

int
datagrams_family(const struct datagrams *udp)
{
	return udp->family;
}

uint32_t
datagrams_readiness(const struct datagrams *udp)
{
	return EPOLLOUT | (udp->end > udp->first ? EPOLLIN : 0u);
}

uint32_t
datagrams_waiting(void)
{
	return state.socket.fd < 0 ? 0 : state.socket.end - state.socket.first;
}

const struct datagrams_count *
datagrams_counted(void)
{
	return &state.count;
}

void
datagrams_drops_asked(bool told)
{
	if (told)
		state.told_drops = state.count.drops;
	state.drops_untold = !told;
}

uint64_t
datagrams_drops_known(void)
{
	return state.drops_untold ? state.told_drops : state.count.drops;
}

void
datagrams_arrive(void)
{
	struct datagrams *udp = &state.socket;
	uint32_t slot = udp->end % PARCEL_SLOTS;
	const struct parcel *earlier;
	struct parcel *parcel;

	if (udp->fd < 0)
		return;
	if (udp->end - udp->first == PARCEL_SLOTS) {
		state.count.drops++;
		return;
	}
	parcel = &udp->all[slot];
	*parcel = parcel_new((uint16_t)slot, udp->family, udp->joins && udp->cuts);
	earlier = &udp->all[(udp->end - 1 - (uint32_t)random_below(3)) % PARCEL_SLOTS];
	if (!parcel->forbidden && earlier->size > 0 && !earlier->forbidden && !random_one_in(4))
		parcel_follow(parcel, earlier);
	trace("datagram", parcel->port, parcel->size, parcel->forbidden);
	udp->end++;
	epoll_wake(udp->fd);
}

static void
give(struct datagrams *udp, struct parcel *parcel, struct mmsghdr *message)
{
	uint32_t count = parcel_count(parcel, parcel->size);

	parcel_give(parcel, udp->family, &message->msg_hdr);
	message->msg_len = parcel->size;
	state.count.received += count;
	state.count.received_bytes += parcel->size;
	state.count.forbidden += parcel->forbidden ? count : 0;
}

int
datagrams_receive(struct datagrams *udp, struct mmsghdr *messages, unsigned most)
{
	int error = fault(CALL_RECVMMSG);
	unsigned count = 0;

	udp->received_ns = clock_now();
	udp->full = false;
	/* what the last iteration has not answered stays unanswered */
	for (uint32_t i = udp->given; i < udp->first; i++)
		udp->all[i % PARCEL_SLOTS].open = false;
	udp->given = udp->first;
	if (error) {
		state.count.receive_errors += error != EAGAIN && error != EINTR;
		return -error;
	}
	if (udp->first == udp->end)
		return -EAGAIN;
	most = (unsigned)fault_cut(most);
	while (count < most && udp->first < udp->end)
		give(udp, &udp->all[udp->first++ % PARCEL_SLOTS], &messages[count++]);
	return (int)count;
}

static void
spend_token(const struct parcel *parcel)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(&parcel->source);
	unsigned source = v4 ? parcel->source.s6_addr[15] - 2u : SOURCES - 1;

	if (state.rate > 0 && !state.options->udp_rate_log_only)
		tokens_take(&state.tokens[source], state.rate, 2, state.socket.received_ns,
		        "--udp-rate");
}

static void
move_on(struct parcel *parcel, uint32_t length)
{
	parcel->done += length;
	parcel->open = parcel->done < parcel->size;
}

/* The parcel that a datagram is the reply to: the first of its peer that is not answered. */
static struct parcel *
find(struct datagrams *udp, const struct msghdr *message, const unsigned char *bytes,
        uint32_t length)
{
	for (uint32_t i = udp->given; i < udp->first; i++) {
		struct parcel *parcel = &udp->all[i % PARCEL_SLOTS];

		if (!parcel->open || !parcel_is_from(parcel, udp->family, message))
			continue;
		/* after a full buffer the daemon gives up the rest of a group; a byte or two may be
		 * those of the next one by chance */
		while (udp->full && parcel->open &&
		        (!parcel_is_next(parcel, bytes, length) ||
		                !parcel_has_class(parcel, message, state.options->dscp)))
			move_on(parcel, parcel_next_length(parcel));
		if (udp->full && !parcel->open)
			continue;
		expect(parcel_is_next(parcel, bytes, length),
		        "a reply of %u bytes to port %u is not the one that is owed next", length,
		        parcel->port);
		return parcel;
	}
	expect(false, "a reply of %u bytes that is not owed", length);
	return NULL;
}

/* What becomes of a datagram: the kernel takes it (error 0), or refuses it. */
static void
settle(struct datagrams *udp, const struct msghdr *message, const unsigned char *bytes,
        uint32_t length, int error)
{
	struct parcel *parcel = find(udp, message, bytes, length);

	parcel_check_beside(parcel, message, state.options->dscp);
	move_on(parcel, length);
	if (error)
		return;
	spend_token(parcel);
	state.count.answered++;
	state.count.answered_bytes += length;
}

/* The bytes of a message side by side. Returns how many. */
static uint32_t
flatten(const struct msghdr *message, unsigned char *bytes)
{
	size_t length = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++) {
		const struct iovec *part = &message->msg_iov[i];

		expect(length + part->iov_len <= MESSAGE_MOST, "a message of more than %u bytes",
		        MESSAGE_MOST);
		memcpy(bytes + length, part->iov_base, part->iov_len);
		length += part->iov_len;
	}
	return (uint32_t)length;
}

/* A message, cut as it says. A refused one leaves everything as it was if it has several datagrams:
 * these are tried again, one by one. */
static uint32_t
take(struct datagrams *udp, const struct msghdr *message, int error)
{
	static unsigned char bytes[MESSAGE_MOST];
	static struct parcel before[PARCEL_SLOTS];
	uint32_t length = flatten(message, bytes), segment = parcel_segment_told(message);
	uint32_t pieces = 0, offset = 0;

	expect(segment == 0 || (udp->cuts && segment < length),
	        "%u bytes are to be cut into pieces of %u", length, segment);
	memcpy(before, udp->all, sizeof(before));
	do {
		uint32_t left = length - offset, piece = segment && segment < left ? segment : left;

		settle(udp, message, bytes + offset, piece, error);
		offset += piece;
		pieces++;
	} while (offset < length);
	expect(pieces <= PIECES_MOST, "a message of %u datagrams", pieces);
	if (error == EINTR || (error && pieces > 1))
		memcpy(udp->all, before, sizeof(before));
	return length;
}

int
datagrams_send_many(struct datagrams *udp, const struct mmsghdr *messages, unsigned count)
{
	unsigned sent = (unsigned)fault_cut(count);
	int error = fault(CALL_SENDMMSG);

	if (error) {
		take(udp, &messages[0].msg_hdr, error);
		return -error;
	}
	for (unsigned i = 0; i < sent; i++)
		take(udp, &messages[i].msg_hdr, 0);
	return (int)sent;
}

ssize_t
datagrams_send(struct datagrams *udp, const struct msghdr *message)
{
	int error = fault(CALL_SENDMMSG);
	uint32_t length = take(udp, message, error);

	expect(parcel_segment_told(message) == 0, "a single datagram is to be cut");
	udp->full = udp->full || error == EAGAIN;
	return error ? -error : (ssize_t)length;
}
