#include "echod/bench/report.h"

#include "echod/common/clock.h"

#define CLEAR_LINE "\r\033[K"

/* How it stood when the line was last shown. */
static struct {
	uint64_t time_ns, echoed;
	struct histogram echo_ns;
} earlier;

void
live_show(const struct load *load)
{
	static struct histogram since;
	const struct traffic *traffic = &load->traffic;
	uint64_t now_ns = clock_now_ns(),
	         from_ns = earlier.time_ns ? earlier.time_ns : load->begin.time_ns;
	double seconds = (double)(now_ns - from_ns) / (double)NS_PER_S;
	double rate = (double)(traffic->counts.echoed - earlier.echoed) / seconds;

	if (traffic->echo_ns.total < earlier.echo_ns.total) /* the measurement began in between */
		earlier.echo_ns = (struct histogram){0};
	histogram_since(&traffic->echo_ns, &earlier.echo_ns, &since);
	fprintf(stderr,
	        CLEAR_LINE "%s %zu connections, %.0f messages/s, %.1f MB/s, p99 %.1f us, %llu lost",
	        load->phase == LOAD_WARMING ? "warming up:" : "measuring:",
	        load->n_lanes - traffic->n_broken, rate, rate * (double)traffic->size / 1e6,
	        (double)histogram_quantile(&since, .99) / 1000,
	        (unsigned long long)traffic->counts.lost);
	earlier.time_ns = now_ns;
	earlier.echoed = traffic->counts.echoed;
	earlier.echo_ns = traffic->echo_ns;
}

void
live_end(void)
{
	fputs(CLEAR_LINE, stderr);
}
