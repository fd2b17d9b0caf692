#include "echod/stat/figures.h"

#include "echod/common/clock.h"

#include <math.h>

const struct figure_kind figure_kinds[FIGURES] = {
        {"conns", "connections", true, {"echod_connections"}},
        {"accepts/s", "accepts_per_second", false, {"echod_connections_accepted_total"}},
        {"in B/s", "received_bytes_per_second", false, {"echod_received_bytes_total"}},
        {"out B/s", "sent_bytes_per_second", false, {"echod_sent_bytes_total"}},
        {"dgrams/s", "datagrams_per_second", false, {"echod_datagrams_received_total"}},
        {"refused/s", "refusals_per_second", false,
                {"echod_connections_refused_total", "echod_datagrams_refused_total"}},
        {"drops/s", "drops_per_second", false,
                {"echod_kernel_drops_total", "echod_replies_failed_total"}},
};

static uint64_t
sum_families(const struct reader_source *source, const struct figure_kind *kind)
{
	return reader_sum(source, kind->families[0]) +
	       (kind->families[1] ? reader_sum(source, kind->families[1]) : 0);
}

void
figures_update(struct figures_past *past, const struct reader_source *source, uint64_t now_ns,
        double figures[FIGURES])
{
	double elapsed_s = clock_seconds(now_ns - past->time_ns);

	for (size_t i = 0; i < FIGURES; i++) {
		uint64_t total, before = past->totals[i];

		figures[i] = (double)NAN;
		if (source->error)
			continue;
		total = sum_families(source, &figure_kinds[i]);
		if (figure_kinds[i].is_level)
			figures[i] = (double)total;
		else if (past->time_ns > 0)
			figures[i] = (double)(total - (total < before ? 0 : before)) / elapsed_s;
		past->totals[i] = total;
	}
	if (!source->error)
		past->time_ns = now_ns;
}

void
figures_add(double sum[FIGURES], const double part[FIGURES])
{
	for (size_t i = 0; i < FIGURES; i++)
		if (!isnan(part[i]))
			sum[i] += part[i];
}
