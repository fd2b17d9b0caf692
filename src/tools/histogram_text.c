/* A histogram as text: for plotters, and for the eye. */
#include "echod/tools/histogram.h"

#include <errno.h>
#include <math.h>

enum {
	TICKS_PER_HALVING = 5, /* of the distance to 100 %, as HdrHistogram's own default */
	BAR_WIDTH = 50,
};

static uint64_t
count_up_to(const struct histogram *histogram, uint64_t value)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= histogram_bucket(value); i++)
		count += histogram->counts[i];
	return count;
}

int
histogram_write(const struct histogram *histogram, double unit, FILE *file)
{
	double part = 0;

	fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
	        "1/(1-Percentile)");
	while (histogram->total > 0) {
		uint64_t value = histogram_quantile(histogram, part);
		uint64_t count = count_up_to(histogram, value);

		if (count == histogram->total)
			break;
		fprintf(file, "%12.6f %2.12f %10llu %14.2f\n", (double)value / unit, part,
		        (unsigned long long)count, 1 / (1 - part));
		part += 1 / (TICKS_PER_HALVING * exp2(floor(log2(1 / (1 - part))) + 1));
	}
	fprintf(file, "%12.6f %2.12f %10llu\n", (double)histogram->max / unit, 1.,
	        (unsigned long long)histogram->total);
	fprintf(file, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n",
	        histogram_mean(histogram) / unit, histogram_deviation(histogram) / unit);
	fprintf(file, "#[Max     = %12.6f, Total count    = %12llu]\n",
	        (double)histogram->max / unit, (unsigned long long)histogram->total);
	fprintf(file, "#[Buckets = %12d, SubBuckets     = %12d]\n", 64 - HISTOGRAM_BITS,
	        2 << HISTOGRAM_BITS);
	return fflush(file) != 0 || ferror(file) ? -EIO : 0;
}

/* What lies between a power of two and the next. */
static uint64_t
count_octave(const struct histogram *histogram, int exponent)
{
	uint64_t lowest = UINT64_C(1) << exponent, count = 0;

	for (size_t i = histogram_bucket(lowest); i <= histogram_bucket(2 * lowest - 1); i++)
		count += histogram->counts[i];
	return count;
}

void
histogram_draw(const struct histogram *histogram, double unit, const char *unit_name, FILE *file)
{
	static const char bar[] = "##################################################";
	int first = 63 - __builtin_clzll(histogram->min | 1);
	int last = 63 - __builtin_clzll(histogram->max | 1);
	uint64_t most = 1;

	for (int e = first; e <= last; e++) {
		uint64_t count = count_octave(histogram, e);

		most = count > most ? count : most;
	}
	for (int e = first; e <= last; e++) {
		uint64_t count = count_octave(histogram, e);
		double width = ceil((double)count * BAR_WIDTH / (double)most);

		fprintf(file, "  %10.1f %s  %-*.*s %llu\n", exp2(e) / unit, unit_name, BAR_WIDTH,
		        (int)width, bar, (unsigned long long)count);
	}
}
