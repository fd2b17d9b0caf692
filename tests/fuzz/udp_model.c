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

/* A source is an IPv4 address or a /64. */
static struct spender *
spender_of(struct model *model, const struct in6_addr *source)
{
	size_t length = is_v4(source) ? 16 : 8, i = 0;

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

static void
expect_right(const struct owed *owed, const struct sent *sent, size_t length)
{
	const struct arrived *a = owed->arrived;

	EXPECT(sent->length == length);
	EXPECT(length == 0 || memcmp(sent->bytes, a->bytes + owed->done, length) == 0);
	EXPECT(sent->to.length == a->from.length);
	EXPECT(memcmp(&sent->to.storage, &a->from.storage, a->from.length) == 0);
	EXPECT(sent->has_control == a->internet);
}

/* What is done of a reply; the last of it ends it. */
static void
go_on(struct model *model, struct owed *owed, size_t length)
{
	owed->done += length;
	if (owed->done == owed->length)
		model->next++;
}

void
model_send(struct model *model, const struct sent *sent, int error)
{
	struct owed *owed = &model->owed[model->next];
	size_t count;

	EXPECT(model->next < model->n_owed && !owed->singly);
	count = count_of(owed->length, owed->segment);
	expect_right(owed, sent, owed->length);
	EXPECT(sent->segment == (count > 1 ? owed->segment : 0));
	if (error && count > 1) {
		owed->singly = true;
		return;
	}
	if (error) {
		count_failed(&model->stats, error, 1);
	} else {
		model->stats.udp_answered += count;
		model->stats.udp_answered_bytes += owed->length;
	}
	go_on(model, owed, owed->length);
}

void
model_send_piece(struct model *model, const struct sent *sent, int error)
{
	struct owed *owed = &model->owed[model->next];
	size_t rest = owed->length - owed->done;
	size_t piece = owed->segment < rest ? owed->segment : rest;

	EXPECT(model->next < model->n_owed && owed->singly);
	expect_right(owed, sent, piece);
	EXPECT(sent->segment == 0);
	if (error == EAGAIN) { /* the buffer is full: the others are not tried */
		count_failed(&model->stats, error, count_of(rest, owed->segment));
		piece = rest;
	} else if (error) {
		count_failed(&model->stats, error, 1);
	} else {
		model->stats.udp_answered++;
		model->stats.udp_answered_bytes += piece;
	}
	go_on(model, owed, piece);
}

void
model_finish(struct model *model)
{
	EXPECT(model->next == model->n_owed);
	model->n_arrived = model->n_owed = model->next = 0;
}
