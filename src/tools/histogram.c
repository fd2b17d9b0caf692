#include "echod/tools/histogram.h"

#include <math.h>
#include <string.h>

uint64_t
histogram_lowest(size_t bucket)
{
	size_t shift = bucket >> HISTOGRAM_BITS, mantissa = bucket;

	if (shift > 0) {
		shift--;
		mantissa -= shift << HISTOGRAM_BITS;
	}
	return (uint64_t)mantissa << shift;
}

uint64_t
histogram_highest(size_t bucket)
{
	return bucket + 1 == HISTOGRAM_BUCKETS ? UINT64_MAX : histogram_lowest(bucket + 1) - 1;
}

void
histogram_since(
        const struct histogram *now, const struct histogram *earlier, struct histogram *between)
{
	between->total = now->total - earlier->total;
	between->sum = now->sum - earlier->sum;
	between->min = between->max = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		between->counts[i] = now->counts[i] - earlier->counts[i];
		if (between->counts[i] == 0)
			continue;
		if (between->max == 0)
			between->min = histogram_lowest(i);
		between->max = histogram_highest(i);
	}
}

uint64_t
histogram_quantile(const struct histogram *histogram, double part)
{
	/* a little less, or 0.3 times 10 would be more than 3 */
	double wanted = ceil(part * (double)histogram->total * (1 - 1e-12));
	uint64_t seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (seen > 0 && (double)seen >= wanted) {
			uint64_t highest = histogram_highest(i);

			return highest < histogram->max ? highest : histogram->max;
		}
	}
	return 0;
}

double
histogram_mean(const struct histogram *histogram)
{
	return histogram->total > 0 ? (double)histogram->sum / (double)histogram->total : 0;
}

double
histogram_deviation(const struct histogram *histogram)
{
	double mean = histogram_mean(histogram), sum = 0;

	if (histogram->total == 0)
		return 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		double middle = (double)histogram_lowest(i) / 2 + (double)histogram_highest(i) / 2;

		if (histogram->counts[i] > 0)
			sum += (double)histogram->counts[i] * (middle - mean) * (middle - mean);
	}
	return sqrt(sum / (double)histogram->total);
}

void
histogram_add(struct histogram *sum, const struct histogram *histogram)
{
	if (histogram->total == 0)
		return;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum->counts[i] += histogram->counts[i];
	if (sum->total == 0 || histogram->min < sum->min)
		sum->min = histogram->min;
	if (histogram->max > sum->max)
		sum->max = histogram->max;
	sum->total += histogram->total;
	sum->sum += histogram->sum;
}
