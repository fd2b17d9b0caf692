/*
 * When each message of an open loop is due, whatever became of those before it: latency counts from
 * here, so that a server that stands still cannot hide how long its clients would have waited.
 */
#pragma once

#include <stdint.h>

struct schedule {
	uint64_t start_ns; /* when message 0 is due */
	uint64_t rate;     /* messages a second; at most 10^9 */
};

uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t message);

/* How many messages are due by now. */
uint64_t schedule_count(const struct schedule *schedule, uint64_t now_ns);
