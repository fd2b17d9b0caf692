#include "echod/client/tally.h"

#include <math.h>

void
tally_sent(struct tally *tally, uint64_t now_ns)
{
	if (tally->sent++ == 0)
		tally->first_ns = now_ns;
	tally->last_ns = now_ns;
}

static void
add_variation(struct tally *tally, uint64_t number, uint64_t rtt_ns)
{
	uint64_t last_ns = tally->last_rtt_ns;
	uint64_t difference_ns = rtt_ns > last_ns ? rtt_ns - last_ns : last_ns - rtt_ns;

	if (tally->echoed > 0)
		tally->jitter_ns += ((double)difference_ns - tally->jitter_ns) / 16;
	if (tally->echoed > 0 && number == tally->last_number + 1) {
		tally->ipdv_pairs++;
		tally->ipdv_sum_ns += difference_ns;
	}
	tally->last_number = number;
	tally->last_rtt_ns = rtt_ns;
}

bool
tally_echo(struct tally *tally, uint64_t number, uint64_t rtt_ns)
{
	double rtt = (double)rtt_ns, difference = rtt - tally->mean_ns;
	bool overtaken = number < tally->next;

	add_variation(tally, number, rtt_ns);
	tally->echoed++;
	tally->mean_ns += difference / (double)tally->echoed;
	tally->square_sum += difference * (rtt - tally->mean_ns);
	if (tally->echoed == 1 || rtt_ns < tally->min_ns)
		tally->min_ns = rtt_ns;
	if (rtt_ns > tally->max_ns)
		tally->max_ns = rtt_ns;
	if (overtaken)
		tally->reordered++;
	else
		tally->next = number + 1;
	return overtaken;
}

/* Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing variances (1979).
 */
static void
add_times(struct tally *sum, const struct tally *tally)
{
	double a = (double)sum->echoed, b = (double)tally->echoed;
	double difference = tally->mean_ns - sum->mean_ns;

	sum->square_sum += tally->square_sum + difference * difference * a * b / (a + b);
	sum->mean_ns += difference * b / (a + b);
	if (sum->echoed == 0 || tally->min_ns < sum->min_ns)
		sum->min_ns = tally->min_ns;
	if (tally->max_ns > sum->max_ns)
		sum->max_ns = tally->max_ns;
}

void
tally_add(struct tally *sum, const struct tally *tally)
{
	if (tally->echoed > 0)
		add_times(sum, tally);
	if (tally->sent > 0 && (sum->sent == 0 || tally->first_ns < sum->first_ns))
		sum->first_ns = tally->first_ns;
	if (tally->last_ns > sum->last_ns)
		sum->last_ns = tally->last_ns;
	sum->sent += tally->sent;
	sum->echoed += tally->echoed;
	sum->lost += tally->lost;
	sum->late += tally->late;
	sum->corrupted += tally->corrupted;
	sum->duplicated += tally->duplicated;
	sum->reordered += tally->reordered;
	sum->jitter_ns = fmax(sum->jitter_ns, tally->jitter_ns);
	sum->ipdv_pairs += tally->ipdv_pairs;
	sum->ipdv_sum_ns += tally->ipdv_sum_ns;
}

double
tally_deviation_ns(const struct tally *tally)
{
	return tally->echoed > 0 ? sqrt(tally->square_sum / (double)tally->echoed) : 0;
}

bool
tally_is_clean(const struct tally *tally)
{
	return tally->echoed == tally->sent && tally->corrupted == 0 && tally->duplicated == 0;
}
