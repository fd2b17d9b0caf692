/*
 * How often each value came up, in buckets that grow with the value: 128 between every two powers
 * of two, so that no value read from it is more than 1/128 (0.8 %) off. Values below 256 are exact.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_BITS    7
#define HISTOGRAM_BUCKETS ((size_t)(65 - HISTOGRAM_BITS) << HISTOGRAM_BITS)

/* All zero is empty. */
struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t total;
	uint64_t sum; /* of the values */
	uint64_t min, max;
};

static inline size_t
histogram_bucket(uint64_t value)
{
	int shift;

	if (value < UINT64_C(1) << HISTOGRAM_BITS)
		return (size_t)value;
	shift = 63 - HISTOGRAM_BITS - __builtin_clzll(value);
	return ((size_t)shift << HISTOGRAM_BITS) + (size_t)(value >> shift);
}

/* A value that came up count times, at least once. */
static inline void
histogram_record(struct histogram *histogram, uint64_t value, uint64_t count)
{
	histogram->counts[histogram_bucket(value)] += count;
	if (histogram->total == 0 || value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->total += count;
	histogram->sum += value * count;
}

/* The lowest and the highest value that fall into a bucket. */
uint64_t histogram_lowest(size_t bucket);
uint64_t histogram_highest(size_t bucket);

/* Adds all that came up in another one. */
void histogram_add(struct histogram *sum, const struct histogram *histogram);

/* What came up since an earlier copy was made; its min and max are those of the buckets. */
void histogram_since(
        const struct histogram *now, const struct histogram *earlier, struct histogram *between);

/* The value that this part (0 to 1) of all does not exceed; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double part);

double histogram_mean(const struct histogram *histogram);
double histogram_deviation(const struct histogram *histogram);

/*
 * Writes the percentile distribution in the text format of HdrHistogram, which its plotters read,
 * values divided by unit. Returns 0 or -EIO.
 */
int histogram_write(const struct histogram *histogram, double unit, FILE *file);

/* Draws it, values divided by unit: a line each power of two. */
void histogram_draw(
        const struct histogram *histogram, double unit, const char *unit_name, FILE *file);
