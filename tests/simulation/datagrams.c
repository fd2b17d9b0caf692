#include "datagrams.h"

#include "clock.h"
#include "epoll.h"
#include "faults.h"
#include "parcel.h"
#include "random.h"
#include "trace.h"

#include <errno.h>
#include <string.h>

enum {
	SOURCES = 4, /* of parcel_new() */
};

struct datagrams {
	int fd;
	int family;
	struct parcel all[PARCEL_PORTS];
	uint32_t first, end;  /* those that wait, counted from the start */
	uint32_t given;       /* from it on to first: received last */
	uint64_t received_ns; /* when the daemon took some last, and their tokens */
};

static struct {
	struct datagrams socket;
	struct datagrams_count count;
	uint64_t told_drops;
	bool drops_untold; /* since then */
	const struct options *options;
	double spent[SOURCES]; /* tokens that a source has used up, at the time below */
	uint64_t spent_ns[SOURCES];
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
	uint32_t slot = udp->end % PARCEL_PORTS;

	if (udp->fd < 0)
		return;
	if (udp->end - udp->first == PARCEL_PORTS) {
		state.count.drops++;
		return;
	}
	udp->all[slot] = parcel_new(
	        (uint16_t)(PARCEL_FIRST_PORT + slot), udp->family, state.options->udp_gro);
	trace("datagram", udp->all[slot].port, udp->all[slot].size, udp->all[slot].forbidden);
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
	/* what the last turn has not answered stays unanswered */
	for (uint32_t i = udp->given; i < udp->first; i++)
		udp->all[i % PARCEL_PORTS].open = false;
	udp->given = udp->first;
	if (error) {
		state.count.receive_errors += error != EAGAIN && error != EINTR;
		return -error;
	}
	if (udp->first == udp->end)
		return -EAGAIN;
	most = (unsigned)fault_cut(most);
	while (count < most && udp->first < udp->end)
		give(udp, &udp->all[udp->first++ % PARCEL_PORTS], &messages[count++]);
	return (int)count;
}

/* The parcel that a message is a reply to, checked, and its length. */
static struct parcel *
find(struct datagrams *udp, const struct msghdr *message, uint32_t *length)
{
	struct address to = {.length = message->msg_namelen};
	struct parcel *parcel;

	memcpy(&to.storage, message->msg_name, message->msg_namelen);
	parcel = &udp->all[(uint16_t)(address_port(&to) - PARCEL_FIRST_PORT) % PARCEL_PORTS];
	expect(address_port(&to) == parcel->port, "a reply goes to port %u, which sent nothing",
	        address_port(&to));
	*length = parcel_check_reply(parcel, udp->family, message, state.options->dscp);
	return parcel;
}

/* A bucket of tokens that is not the daemon's: rate a second, twice as many at once. */
static void
spend_tokens(const struct parcel *parcel, uint32_t datagrams, uint64_t now)
{
	double rate;
	bool v4 = IN6_IS_ADDR_V4MAPPED(&parcel->source);
	unsigned source = v4 ? parcel->source.s6_addr[15] - 2u : SOURCES - 1;

	if (state.options->udp_rate == 0 || state.options->udp_rate_log_only)
		return;
	/* the time of a token is whole nanoseconds */
	rate = 1e9 / (double)(S / state.options->udp_rate);
	state.spent[source] -= (double)(now - state.spent_ns[source]) / 1e9 * rate;
	if (state.spent[source] < 0)
		state.spent[source] = 0;
	state.spent_ns[source] = now;
	state.spent[source] += datagrams;
	expect(state.spent[source] <= 2 * rate + 0.01, "a source is answered beyond --udp-rate");
}

static void
move_on(struct parcel *parcel, uint32_t length)
{
	parcel->done += length;
	parcel->open = parcel->done < parcel->size;
}

static void
answer(struct parcel *parcel, uint32_t length)
{
	uint32_t count = parcel_count(parcel, length);

	spend_tokens(parcel, count, state.socket.received_ns);
	move_on(parcel, length);
	state.count.answered += count;
	state.count.answered_bytes += length;
}

int
datagrams_send_many(struct datagrams *udp, const struct mmsghdr *messages, unsigned count)
{
	unsigned sent = (unsigned)fault_cut(count);
	int error = fault(CALL_SENDMMSG);
	uint32_t length;

	if (error) {
		struct parcel *parcel = find(udp, &messages[0].msg_hdr, &length);

		/* a train is tried again, a datagram after the other */
		if (error != EINTR && length <= parcel->segment)
			move_on(parcel, length);
		return -error;
	}
	for (unsigned i = 0; i < sent; i++) {
		struct parcel *parcel = find(udp, &messages[i].msg_hdr, &length);

		answer(parcel, length);
	}
	return (int)sent;
}

ssize_t
datagrams_send(struct datagrams *udp, const struct msghdr *message)
{
	int error = fault(CALL_SENDMMSG);
	uint32_t length;
	struct parcel *parcel = find(udp, message, &length);

	if (error == EINTR)
		return -error;
	if (error == 0) {
		answer(parcel, length);
		return (ssize_t)length;
	}
	move_on(parcel, length);
	return -error;
}
