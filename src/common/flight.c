#include "echod/flight.h"

#include <errno.h>
#include <stdlib.h>

int
flight_init(struct flight *flight, size_t capacity)
{
	*flight = (struct flight){.capacity = capacity};
	flight->slots = calloc(capacity, sizeof(*flight->slots));
	return flight->slots ? 0 : -ENOMEM;
}

void
flight_release(struct flight *flight)
{
	free(flight->slots);
	*flight = (struct flight){0};
}

struct flight_slot *
flight_slot(const struct flight *flight, uint64_t number)
{
	return &flight->slots[number % flight->capacity];
}

uint64_t
flight_next(const struct flight *flight, size_t slot)
{
	const struct flight_slot *s = &flight->slots[slot];

	return s->state == FLIGHT_NONE ? slot : s->number + flight->capacity;
}

uint64_t
flight_begin(struct flight *flight, size_t slot, uint64_t now_ns)
{
	struct flight_slot *s = &flight->slots[slot];

	s->number = flight_next(flight, slot);
	s->before = s->state;
	s->state = FLIGHT_PENDING;
	s->started_ns = now_ns;
	flight->pending++;
	return s->number;
}

bool
flight_is_pending(const struct flight *flight, uint64_t number)
{
	const struct flight_slot *s = flight_slot(flight, number);

	return s->state == FLIGHT_PENDING && s->number == number;
}

static enum flight_verdict
come_again(enum flight_state *state)
{
	if (*state == FLIGHT_BACK)
		return FLIGHT_DUPLICATED;
	*state = FLIGHT_BACK;
	return FLIGHT_LATE;
}

enum flight_verdict
flight_settle(struct flight *flight, uint64_t number)
{
	struct flight_slot *s = flight_slot(flight, number);

	if (s->state == FLIGHT_NONE || number > s->number)
		return FLIGHT_UNKNOWN;
	if (number + flight->capacity == s->number)
		return come_again(&s->before);
	if (number < s->number)
		return FLIGHT_LATE;
	if (s->state != FLIGHT_PENDING)
		return come_again(&s->state);
	s->state = FLIGHT_BACK;
	flight->pending--;
	return FLIGHT_AWAITED;
}

void
flight_give_up(struct flight *flight, uint64_t number)
{
	flight_slot(flight, number)->state = FLIGHT_LOST;
	flight->pending--;
}
