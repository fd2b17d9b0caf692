#include "echod/bench/traffic.h"

#include "echod/bench/options.h"
#include "echod/common/clock.h"

#include <sys/random.h>

void
traffic_init(struct traffic *traffic, const struct bench_options *o)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) < 0)
		seed = clock_now_ns();
	payload_init(&traffic->payload, seed);
	traffic->size = o->size;
	traffic->depth = o->depth;
	traffic->open_loop = o->rate > 0;
	traffic->per_connection = o->messages_per_connection;
	traffic->timeout_ns = o->timeout_ms * NS_PER_MS;
	traffic->capacity = bench_options_capacity(o);
}
