#include "echod/bench/report.h"

#include "echod/common/clock.h"

#define LIMIT 0.9

struct summary
summary_make(const struct load *load)
{
	const struct mark *begin = &load->begin, *end = &load->end;
	const struct counts *all = &load->traffic.counts;
	double ns = (double)(end->time_ns - begin->time_ns);
	double own_ns = (double)(end->own_cpu_ns - begin->own_cpu_ns);
	double peer_ns = (double)(end->peer_cpu_ns - begin->peer_cpu_ns);
	struct summary s = {.echoed = end->counts.echoed - begin->counts.echoed};

	s.seconds = ns / (double)NS_PER_S;
	s.clean = all->echoed > 0 && all->echoed == all->sent && all->corrupted == 0 &&
	          all->duplicated == 0 && load->opener.failed == 0 && load->traffic.n_broken == 0;
	if (s.seconds <= 0)
		return s;
	s.messages_s = (double)s.echoed / s.seconds;
	s.bytes_s = s.messages_s * (double)load->traffic.size;
	s.own_load = own_ns / ns;
	s.peer_load = peer_ns / ns;
	s.limited = s.own_load > LIMIT;
	if (s.echoed > 0) {
		s.own_us = own_ns / 1000 / (double)s.echoed;
		s.peer_us = peer_ns / 1000 / (double)s.echoed;
	}
	return s;
}
