/* What a run comes to, and how it is shown. */
#ifndef ECHOD_BENCH_REPORT_H
#define ECHOD_BENCH_REPORT_H

#include "echod/bench/load.h"

#include <stdio.h>

/* What was measured, while it was measured; times of messages that came back in the end included.
 */
struct summary {
	double seconds;
	uint64_t echoed;
	double messages_s, bytes_s; /* bytes: each way */
	/* of one core, and microseconds a message echoed; of the peer only where it was watched */
	double own_load, own_us, peer_load, peer_us;
	bool limited; /* by this tool: it had no CPU time to spare */
	bool clean;   /* of the whole run: nothing failed, was lost, changed or came twice */
};

struct summary summary_make(const struct load *load);

void report_text(const struct load *load, const struct summary *summary, FILE *file);

/* One JSON object (RFC 8259). */
void report_json(const struct load *load, const struct summary *summary, FILE *file);

/* A line that replaces itself on the terminal, for load.on_second; live_end() takes it away. */
void live_show(const struct load *load);
void live_end(void);

#endif
