#include "echod/tools/inflight.h"

#include <errno.h>
#include <stdlib.h>

int
inflight_init(struct inflight *inflight, size_t capacity)
{
	*inflight = (struct inflight){.capacity = capacity};
	inflight->slots = calloc(capacity, sizeof(*inflight->slots));
	return inflight->slots ? 0 : -ENOMEM;
}

void
inflight_release(struct inflight *inflight)
{
	free(inflight->slots);
	*inflight = (struct inflight){0};
}

struct inflight_slot *
inflight_slot(const struct inflight *inflight, uint64_t number)
{
	return &inflight->slots[number % inflight->capacity];
}

uint64_t
inflight_next(const struct inflight *inflight, size_t slot)
{
	const struct inflight_slot *s = &inflight->slots[slot];

	return s->state == INFLIGHT_NONE ? slot : s->number + inflight->capacity;
}

uint64_t
inflight_begin(struct inflight *inflight, size_t slot, uint64_t now_ns)
{
	struct inflight_slot *s = &inflight->slots[slot];

	s->number = inflight_next(inflight, slot);
	s->before = s->state;
	s->state = INFLIGHT_PENDING;
	s->started_ns = now_ns;
	inflight->pending++;
	return s->number;
}

bool
inflight_is_pending(const struct inflight *inflight, uint64_t number)
{
	const struct inflight_slot *s = inflight_slot(inflight, number);

	return s->state == INFLIGHT_PENDING && s->number == number;
}

static enum inflight_verdict
come_again(enum inflight_state *state)
{
	if (*state == INFLIGHT_BACK)
		return INFLIGHT_DUPLICATED;
	*state = INFLIGHT_BACK;
	return INFLIGHT_LATE;
}

enum inflight_verdict
inflight_settle(struct inflight *inflight, uint64_t number)
{
	struct inflight_slot *s = inflight_slot(inflight, number);

	if (s->state == INFLIGHT_NONE || number > s->number)
		return INFLIGHT_UNKNOWN;
	if (number + inflight->capacity == s->number)
		return come_again(&s->before);
	if (number < s->number)
		return INFLIGHT_LATE;
	if (s->state != INFLIGHT_PENDING)
		return come_again(&s->state);
	s->state = INFLIGHT_BACK;
	inflight->pending--;
	return INFLIGHT_AWAITED;
}

void
inflight_give_up(struct inflight *inflight, uint64_t number)
{
	inflight_slot(inflight, number)->state = INFLIGHT_LOST;
	inflight->pending--;
}
