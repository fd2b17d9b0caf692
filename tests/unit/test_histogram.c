#include "test.h"

#include "echod/tools/histogram.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct histogram histogram;

static int
setup(void **state)
{
	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	return 0;
}

static void
buckets_cover_every_value_once(void **state)
{
	uint64_t next = 0;

	(void)state;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t lowest = histogram_lowest(i), highest = histogram_highest(i);

		assert_int_equal(lowest, next);
		assert_true(highest >= lowest);
		assert_int_equal(histogram_bucket(lowest), i);
		assert_int_equal(histogram_bucket(highest), i);
		/* none is wider than a 128th of what it holds */
		assert_true((highest - lowest) <= lowest / 128);
		next = highest + 1;
	}
	assert_int_equal(next, 0); /* after UINT64_MAX */
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
quantiles_are_within_one_percent(void **state)
{
	enum { N = 20000 };
	static const double parts[] = {.01, .25, .5, .9, .99, .999, 1};
	static uint64_t values[N];

	(void)state;
	srandom(1);
	for (size_t i = 0; i < N; i++) {
		values[i] = (uint64_t)exp((double)random() / RAND_MAX * 30);
		histogram_record(&histogram, values[i], 1);
	}
	qsort(values, N, sizeof(values[0]), compare);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		double exact = (double)values[(size_t)(parts[i] * N) - 1];
		double found = (double)histogram_quantile(&histogram, parts[i]);

		assert_true(found >= exact);
		assert_true(found <= exact * 1.01);
	}
	assert_int_equal(histogram.min, values[0]);
	assert_int_equal(histogram_quantile(&histogram, 1), values[N - 1]);
	assert_int_equal(histogram_quantile(&histogram, 0), values[0]);
}

static void
small_values_are_exact(void **state)
{
	(void)state;
	for (uint64_t value = 1; value <= 100; value++)
		histogram_record(&histogram, value, 1);
	assert_int_equal(histogram_quantile(&histogram, .5), 50);
	assert_int_equal(histogram_quantile(&histogram, .501), 51);
	assert_int_equal(histogram_quantile(&histogram, .99), 99);
	assert_true(fabs(histogram_mean(&histogram) - 50.5) < 1e-9);
	assert_true(fabs(histogram_deviation(&histogram) - sqrt(9999. / 12)) < 1e-9);
}

static void
a_count_is_as_many_values(void **state)
{
	static struct histogram other;

	(void)state;
	histogram_record(&histogram, 777, 3);
	for (int i = 0; i < 3; i++)
		histogram_record(&other, 777, 1);
	assert_memory_equal(&histogram, &other, sizeof(other));
}

static void
empty_has_no_values(void **state)
{
	(void)state;
	assert_int_equal(histogram_quantile(&histogram, .99), 0);
	assert_true(histogram_mean(&histogram) == 0);
	assert_true(histogram_deviation(&histogram) == 0);
}

static void
since_an_earlier_copy(void **state)
{
	static struct histogram earlier, between;

	(void)state;
	histogram_record(&histogram, 10, 5);
	histogram_record(&histogram, 100000, 1);
	earlier = histogram;
	histogram_record(&histogram, 20, 2);
	histogram_record(&histogram, 30, 2);
	histogram_since(&histogram, &earlier, &between);
	assert_int_equal(between.total, 4);
	assert_int_equal(between.sum, 100);
	assert_int_equal(between.min, 20);
	assert_int_equal(between.max, 30);
	assert_int_equal(histogram_quantile(&between, .5), 20);
	assert_int_equal(histogram_quantile(&between, .51), 30);
}

static char *
written(int (*write)(FILE *file))
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	assert_int_equal(write(file), 0);
	fclose(file);
	return text;
}

static int
write_percentiles(FILE *file)
{
	return histogram_write(&histogram, 1, file);
}

/* As HdrHistogram's outputPercentileDistribution() prints the values 1 to 10. */
static const char percentiles[] = "       Value     Percentile TotalCount 1/(1-Percentile)\n"
                                  "\n"
                                  "    1.000000 0.000000000000          1           1.00\n"
                                  "    1.000000 0.100000000000          1           1.11\n"
                                  "    2.000000 0.200000000000          2           1.25\n"
                                  "    3.000000 0.300000000000          3           1.43\n"
                                  "    4.000000 0.400000000000          4           1.67\n"
                                  "    5.000000 0.500000000000          5           2.00\n"
                                  "    6.000000 0.550000000000          6           2.22\n"
                                  "    6.000000 0.600000000000          6           2.50\n"
                                  "    7.000000 0.650000000000          7           2.86\n"
                                  "    7.000000 0.700000000000          7           3.33\n"
                                  "    8.000000 0.750000000000          8           4.00\n"
                                  "    8.000000 0.775000000000          8           4.44\n"
                                  "    8.000000 0.800000000000          8           5.00\n"
                                  "    9.000000 0.825000000000          9           5.71\n"
                                  "    9.000000 0.850000000000          9           6.67\n"
                                  "    9.000000 0.875000000000          9           8.00\n"
                                  "    9.000000 0.887500000000          9           8.89\n"
                                  "    9.000000 0.900000000000          9          10.00\n"
                                  "   10.000000 1.000000000000         10\n"
                                  "#[Mean    =     5.500000, StdDeviation   =     2.872281]\n"
                                  "#[Max     =    10.000000, Total count    =           10]\n"
                                  "#[Buckets =           57, SubBuckets     =          256]\n";

static void
percentiles_are_written_for_plotters(void **state)
{
	char *text;

	(void)state;
	for (uint64_t value = 1; value <= 10; value++)
		histogram_record(&histogram, value, 1);
	text = written(write_percentiles);
	assert_string_equal(text, percentiles);
	free(text);
}

static void
a_full_disk_is_an_error(void **state)
{
	static const int modes[] = {_IOFBF, _IONBF}; /* at the end, or at once */

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		FILE *full = fopen("/dev/full", "w");

		assert_non_null(full);
		setvbuf(full, NULL, modes[i], BUFSIZ);
		assert_int_equal(histogram_write(&histogram, 1, full), -EIO);
		fclose(full);
	}
}

static int
draw(FILE *file)
{
	histogram_draw(&histogram, 1000, "us", file);
	return 0;
}

static void
a_line_each_power_of_two(void **state)
{
	static const char bar[] = "##################################################";
	char expected[512];
	char *text;

	(void)state;
	histogram_record(&histogram, 1024, 100);
	histogram_record(&histogram, 2047, 100);
	histogram_record(&histogram, 4096, 1);
	snprintf(expected, sizeof(expected),
	        "         1.0 us  %s 200\n"
	        "         2.0 us  %50s 0\n"
	        "         4.1 us  %-50s 1\n",
	        bar, "", "#");
	text = written(draw);
	assert_string_equal(text, expected);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(buckets_cover_every_value_once, setup),
	        cmocka_unit_test_setup(quantiles_are_within_one_percent, setup),
	        cmocka_unit_test_setup(small_values_are_exact, setup),
	        cmocka_unit_test_setup(a_count_is_as_many_values, setup),
	        cmocka_unit_test_setup(empty_has_no_values, setup),
	        cmocka_unit_test_setup(since_an_earlier_copy, setup),
	        cmocka_unit_test_setup(percentiles_are_written_for_plotters, setup),
	        cmocka_unit_test_setup(a_full_disk_is_an_error, setup),
	        cmocka_unit_test_setup(a_line_each_power_of_two, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
