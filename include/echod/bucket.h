/*
 * Tokens over time, for every rate. Pure: the caller brings the clock.
 *
 * A bucket is one number: the time at which it will be full again (the generic cell rate algorithm,
 * ITU-T I.371). Times are nanoseconds on any clock that does not go backwards; a zeroed bucket is
 * full.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* How fast tokens come and how many a full bucket holds; shared by all buckets of one kind. */
struct bucket_rule {
	uint64_t token_ns; /* time in which one token comes; 0: no limit */
	uint64_t full_ns;  /* time in which an empty bucket becomes full */
};

struct bucket {
	uint64_t full_at_ns;
};

/* rate tokens a second, at most 10^9; 0 is no limit. burst tokens fill a bucket, at least 1, below
 * 2^32. */
struct bucket_rule bucket_rule(uint64_t rate, uint64_t burst);

/* Takes count tokens (at most 2^32), all or none. */
bool bucket_take(
        struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ns, uint64_t count);

/* How long until one token is there: 0 when there is one now. */
uint64_t bucket_wait_ns(
        const struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ns);
