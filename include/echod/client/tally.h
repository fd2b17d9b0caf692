/*
 * How many exchanges ended how, and how long they took.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tally {
	uint64_t sent;
	uint64_t first_ns, last_ns; /* when the first and the last one were sent */
	uint64_t echoed;            /* unchanged and in time */
	uint64_t lost;              /* not in time */
	uint64_t late;              /* of the lost, those that came after all */
	uint64_t corrupted;         /* came back changed, or was never sent */
	uint64_t duplicated;        /* came back again */
	uint64_t reordered;         /* of the echoed, those overtaken by a later one (RFC 4737) */
	uint64_t min_ns, max_ns;
	double mean_ns, square_sum; /* of the differences from the mean (Welford) */
	double jitter_ns;           /* RFC 3550, section 6.4.1; of flows together, the largest */
	/* differences between echoes of successive numbers that came back in turn (RFC 3393) */
	uint64_t ipdv_pairs, ipdv_sum_ns;
	uint64_t last_number, last_rtt_ns; /* of the latest echo */
	uint64_t next;                     /* one more than the highest number echoed */
};

void tally_sent(struct tally *tally, uint64_t now_ns);

/* Counts an echo that came back unchanged; returns whether a later one had overtaken it. */
bool tally_echo(struct tally *tally, uint64_t number, uint64_t rtt_ns);

/* Adds what another flow counted. */
void tally_add(struct tally *sum, const struct tally *tally);

/* The standard deviation of the round-trip times. */
double tally_deviation_ns(const struct tally *tally);

/* Whether all that was sent came back once and unchanged. */
bool tally_is_clean(const struct tally *tally);
