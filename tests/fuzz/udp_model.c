#include "udp_model.h"

#include <errno.h>

enum {
	MOST_BYTES = 65536,
	UNIT = 1500,
	OWN_PORT = 50007,
};

/* No two datagrams of a batch begin at the same place. */
static uint8_t bytes[2 * MOST_BYTES];

void
model_make_bytes(void)
{
	uint64_t state = 1;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
		bytes[i] = (uint8_t)(state >> 56);
	}
}

struct arrived *
model_arrive(struct model *model)
{
	struct arrived *arrived = &model->arrived[model->n_arrived];

	EXPECT(model->n_arrived < MODEL_MOST);
	*arrived = (struct arrived){.bytes = bytes + 4099 * model->n_arrived++};
	return arrived;
}

static bool
starts(const struct in6_addr *address, const char *prefix, size_t length)
{
	return memcmp(address->s6_addr, prefix, length) == 0;
}

static bool
is_v4(const struct in6_addr *address)
{
	return starts(address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
}

static bool
is_loopback(const struct in6_addr *address)
{
	return is_v4(address) ? address->s6_addr[12] == 127
	                      : starts(address, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
}

static bool
is_hosts(const struct in6_addr *address)
{
	uint8_t first = address->s6_addr[12];

	if (is_v4(address))
		return first != 0 && (first < 224 || first >= 240) &&
		       memcmp(&address->s6_addr[12], "\xff\xff\xff\xff", 4) != 0;
	return address->s6_addr[0] != 0xff &&
	       !starts(address, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static bool
is_refused_port(uint16_t port)
{
	static const uint16_t others[] = {
	        1900, 2049, 3702, 5353, 5355, 11211, MODEL_REFUSED_PORT, OWN_PORT};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (port == others[i])
			return true;
	return port < 1024 && port != MODEL_ALLOWED_PORT;
}

static size_t
count_of(size_t length, size_t segment)
{
	if (segment == 0 || length == 0)
		return 1;
	return length / segment + (length % segment > 0);
}

/* The counter of the refusal, or NULL. */
static uint64_t *
refusal(struct model *model, const struct arrived *a)
{
	struct in6_addr none = {0};
	const struct in6_addr *destination = &none, *local = &none;
	unsigned interface = 0;

	if (is_v4(&a->source) && a->told.has_v4) {
		destination = &a->told.destination4;
		local = &a->told.local4;
		interface = a->told.interface4;
	} else if (!is_v4(&a->source) && a->told.has_v6) {
		destination = local = &a->told.destination6;
		interface = a->told.interface6;
	}
	if (a->cut)
		return &model->stats.udp_refused_truncated;
	if (!is_hosts(&a->source) || (is_loopback(&a->source) && interface > 1))
		return &model->stats.udp_refused_source;
	if (!is_hosts(destination) || memcmp(destination, local, sizeof(*destination)) != 0)
		return &model->stats.udp_refused_destination;
	if (is_refused_port(a->port))
		return &model->stats.udp_refused_port;
	return NULL;
}

/* A source is an IPv4 address or a /64, on the link an address; NAT64 hides an IPv4 address. */
static struct spender *
spender_of(struct model *model, const struct in6_addr *address)
{
	bool on_link = starts(address, "\xfe\x80\0\0\0\0\0\0", 8);
	struct in6_addr translated = *address;
	const struct in6_addr *source = &translated;
	size_t length, i = 0;

	if (starts(address, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12))
		memcpy(&translated, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	length = is_v4(source) || on_link ? 16 : 8;

	while (i < model->n_spenders &&
	        (is_v4(&model->spenders[i].source) != is_v4(source) ||
	                memcmp(&model->spenders[i].source, source, length) != 0))
		i++;
	if (i == model->n_spenders) {
		EXPECT(i < ARRAY_SIZE(model->spenders));
		model->spenders[model->n_spenders++].source = *source;
	}
	return &model->spenders[i];
}

/* How many datagrams of the train its source can pay for: twice the rate at once, and no more
 * comes. */
static size_t
affordable(struct model *model, const struct arrived *a, size_t count)
{
	struct spender *spender;
	size_t paid = 0, rest = a->length;

	if (model->options->udp_rate == 0 || is_loopback(&a->source) ||
	        starts(&a->source, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64", 15))
		return count;
	spender = spender_of(model, &a->source);
	for (; paid < count; paid++) {
		size_t piece = a->told.segment && a->told.segment < rest ? a->told.segment : rest;
		uint64_t price = piece == 0 ? 1 : (piece + UNIT - 1) / UNIT;

		if (spender->spent + price > 2 * model->options->udp_rate)
			break;
		spender->spent += price;
		rest -= piece;
	}
	return paid;
}

static void
owe(struct model *model, const struct arrived *arrived, size_t length)
{
	model->owed[model->n_owed++] = (struct owed){
	        .arrived = arrived, .length = length, .segment = arrived->told.segment};
}

void
model_judge(struct model *model, const struct arrived *a)
{
	size_t count = a->internet ? count_of(a->length, a->told.segment) : 1, paid;
	uint64_t *refused;

	model->stats.udp_received += count;
	model->stats.udp_received_bytes += a->length;
	if (a->internet)
		refused = refusal(model, a);
	else if (a->cut)
		refused = &model->stats.udp_refused_truncated;
	else if (a->from.length <= sizeof(sa_family_t))
		refused = &model->stats.udp_refused_source;
	else
		refused = NULL;
	if (refused) {
		*refused += count;
		return;
	}
	paid = a->internet ? affordable(model, a, count) : count;
	if (paid == count) {
		owe(model, a, a->length);
	} else if (model->options->udp_rate_log_only) {
		model->stats.udp_rate_exceeded += count - paid;
		owe(model, a, a->length);
	} else {
		model->stats.udp_refused_rate += count - paid;
		if (paid > 0)
			owe(model, a, paid * a->told.segment);
	}
}

static void
count_failed(struct stats *stats, int error, size_t count)
{
	switch (error) {
	case EAGAIN:
		stats->udp_failed_again += count;
		break;
	case ENOBUFS:
	case ENOMEM:
		stats->udp_failed_memory += count;
		break;
	case EPERM:
	case EACCES:
		stats->udp_failed_permission += count;
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
		stats->udp_failed_unreachable += count;
		break;
	case EMSGSIZE:
		stats->udp_failed_size += count;
		break;
	default:
		stats->udp_failed_other += count;
		break;
	}
}

/* What is owed next to where this goes: peers get theirs in order. */
static struct owed *
owed_to(struct model *model, const struct address *to)
{
	for (size_t i = 0; i < model->n_owed; i++) {
		struct owed *owed = &model->owed[i];

		if (!owed->over && owed->arrived->from.length == to->length &&
		        memcmp(&owed->arrived->from.storage, &to->storage, to->length) == 0)
			return owed;
	}
	return NULL;
}

static size_t
next_piece(const struct owed *owed)
{
	size_t rest = owed->length - owed->done;

	return owed->segment && owed->segment < rest ? owed->segment : rest;
}

static void
go_on(struct owed *owed)
{
	owed->done += next_piece(owed);
	owed->over = owed->done == owed->length;
}

static void
expect_beside(const struct model *model, const struct arrived *a, const struct sent *sent)
{
	bool v4 = is_v4(&a->source);

	EXPECT(sent->has_local == a->internet);
	if (!a->internet)
		return;
	EXPECT(memcmp(&sent->local, v4 ? &a->told.local4 : &a->told.destination6, 16) == 0);
	EXPECT(sent->traffic_class == (model->options->dscp ? (a->told.traffic_class & 0xfc) : -1));
}

/* One datagram of a message. */
static void
settle(struct model *model, const struct sent *sent, size_t offset, size_t length, int error)
{
	struct owed *owed = owed_to(model, &sent->to);

	EXPECT(owed && length == next_piece(owed));
	EXPECT(length == 0 ||
	        memcmp(sent->bytes + offset, owed->arrived->bytes + owed->done, length) == 0);
	expect_beside(model, owed->arrived, sent);
	go_on(owed);
	if (error) {
		count_failed(&model->stats, error, 1);
	} else {
		model->stats.udp_answered++;
		model->stats.udp_answered_bytes += length;
	}
}

void
model_send(struct model *model, const struct sent *sent, int error)
{
	size_t count = count_of(sent->length, sent->segment), offset = 0;

	EXPECT(model->singly == 0);
	EXPECT(sent->segment == 0 || count > 1);
	if (error && count > 1) {
		model->singly = count;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		size_t rest = sent->length - offset;
		size_t piece = sent->segment && sent->segment < rest ? sent->segment : rest;

		settle(model, sent, offset, piece, error);
		offset += piece;
	}
}

void
model_send_single(struct model *model, const struct sent *sent, int error)
{
	EXPECT(model->singly > 0 && sent->segment == 0);
	settle(model, sent, 0, sent->length, error);
	model->singly--;
	if (error != EAGAIN)
		return;
	/* the buffer is full: the others are not tried */
	for (; model->singly > 0; model->singly--) {
		struct owed *owed = owed_to(model, &sent->to);

		EXPECT(owed);
		go_on(owed);
		count_failed(&model->stats, error, 1);
	}
}

void
model_finish(struct model *model)
{
	EXPECT(model->singly == 0);
	for (size_t i = 0; i < model->n_owed; i++)
		EXPECT(model->owed[i].over);
	model->n_arrived = model->n_owed = 0;
}
