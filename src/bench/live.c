#include "echod/bench/report.h"

#include "echod/common/clock.h"
#include "echod/tools/hdr.h"

#include <string.h>

#define CLEAR_LINE "\r\033[K"

enum { BAR_WIDTH = 10 };

/* How much of the run is done, 0 to 1, so far as it has an end. */
static double
done_part(const struct result *r)
{
	double by_time = r->wanted_ns > 0 ? (double)r->duration_ns / (double)r->wanted_ns : 0;
	double by_count = r->total > 0 ? (double)r->echoed / (double)r->total : 0;
	double part = by_time > by_count ? by_time : by_count;

	return part < 1 ? part : 1;
}

/* What all workers did in their last second. */
static void
print_last_second(const struct result *r)
{
	static struct histogram echo_ns;
	uint64_t echoed = 0;

	memset(&echo_ns, 0, sizeof(echo_ns));
	for (size_t i = 0; i < r->n_intervals; i++) {
		echoed += r->intervals[i].echoed;
		hdr_decode(r->intervals[i].hdr, r->intervals[i].hdr_size, &echo_ns);
	}
	fprintf(stderr, "%llu messages/s, %.1f MB/s, p99 %.1f us, %llu lost",
	        (unsigned long long)echoed, (double)echoed * (double)r->size / 1e6,
	        (double)histogram_quantile(&echo_ns, .99) / 1000, (unsigned long long)r->lost);
}

void
live_show(const struct workers *workers)
{
	static const char bar[] = "##########";
	struct result r;

	if (workers_merge(workers, true, &r) == 0) {
		int width = (int)(done_part(&r) * BAR_WIDTH);

		fprintf(stderr, CLEAR_LINE "[%-*.*s] %llu connections", BAR_WIDTH, width, bar,
		        (unsigned long long)(r.opened - r.broken));
		if (r.n_intervals > 0) {
			fputs(", ", stderr);
			print_last_second(&r);
		} else if (r.warmup_ns > 0) {
			fputs(", warming up", stderr);
		}
	}
	result_release(&r);
}

void
live_end(void)
{
	fputs(CLEAR_LINE, stderr);
}
