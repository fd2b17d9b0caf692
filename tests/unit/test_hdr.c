#include "test.h"

#include "echod/tools/hdr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct histogram histogram, decoded;
static unsigned char bytes[HDR_MAX_SIZE], again[HDR_MAX_SIZE];

static int
setup(void **state)
{
	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	memset(&decoded, 0, sizeof(decoded));
	return 0;
}

static size_t
encode(void)
{
	size_t size = hdr_encode(&histogram, bytes);

	assert_true(size <= HDR_MAX_SIZE);
	return size;
}

static void
assert_decodes(void)
{
	size_t size = encode();

	memset(&decoded, 0, sizeof(decoded));
	assert_int_equal(hdr_decode(bytes, size, &decoded), 0);
	assert_int_equal(decoded.total, histogram.total);
	assert_memory_equal(decoded.counts, histogram.counts, sizeof(histogram.counts));
}

/* The bytes that HdrHistogram 2.2.2 (Java) writes for these. */
static void
test_known_bytes(void **state)
{
	static const unsigned char known[] = {
	        0x1c, 0x84, 0x93, 0x13,       /* cookie */
	        0, 0, 0, 5,                   /* bytes of counts */
	        0, 0, 0, 0,                   /* normalizing offset */
	        0, 0, 0, 2,                   /* significant digits */
	        0, 0, 0, 0, 0, 0, 0, 1,       /* lowest */
	        0, 0, 0, 0, 0, 0, 0, 5,       /* highest */
	        0x3f, 0xf0, 0, 0, 0, 0, 0, 0, /* ratio */
	        0x03, 0x04, 0x00, 0xd8, 0x04, /* -2, 2, 0, 300 */
	};

	(void)state;
	histogram_record(&histogram, 2, 2);
	histogram_record(&histogram, 4, 300);
	assert_int_equal(encode(), sizeof(known) + 0);
	/* highest is that of the bucket of the highest value */
	assert_memory_equal(bytes, known, 24);
	assert_memory_equal(bytes + 32, known + 32, sizeof(known) - 32);
}

static void
test_every_bucket(void **state)
{
	(void)state;
	assert_decodes(); /* empty */
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i += 37) {
		memset(&histogram, 0, sizeof(histogram));
		histogram_record(&histogram, histogram_lowest(i), UINT64_C(1) << (i % 62));
		assert_decodes();
		assert_int_equal(decoded.min, histogram_lowest(i));
		assert_int_equal(decoded.max, histogram_highest(i));
	}
}

static void
test_all_buckets_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram_record(&histogram, histogram_highest(i), (uint64_t)INT64_MAX / 20000);
	assert_decodes();
}

static void
test_decoding_adds(void **state)
{
	size_t size;

	(void)state;
	histogram_record(&histogram, 10, 3);
	histogram_record(&histogram, 1000000, 1);
	size = encode();
	assert_int_equal(hdr_decode(bytes, size, &decoded), 0);
	assert_int_equal(hdr_decode(bytes, size, &decoded), 0);
	assert_int_equal(decoded.total, 8);
	assert_int_equal(decoded.min, 10);
}

static void
test_text_and_back(void **state)
{
	size_t size, size_again;
	char *text;

	(void)state;
	for (uint64_t value = 1; value < UINT64_C(1) << 60; value += value / 3 + 1)
		histogram_record(&histogram, value, value % 1000 + 1);
	size = encode();
	text = hdr_to_text(bytes, size);
	assert_non_null(text);
	assert_memory_equal(text, "HISTFAAA", 8);
	assert_int_equal(hdr_from_text(text, again, &size_again), 0);
	assert_int_equal(size_again, size);
	assert_memory_equal(bytes, again, size);
	free(text);
}

/* Bytes that are changed or missing: an error, never anything else. */
static void
test_what_is_no_histogram(void **state)
{
	static const char *const texts[] = {"", "x", "====", "AAAA", "AAAAAAAAAAAAAAAA",
	        "HISTFAAAAAA=", "HISTFAAAAAB4nA==", "HISTFAAAAAR4nAAA", "HISTFAAAAAR4nAAAAAAAAAAA"};
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(hdr_from_text(texts[i], again, &size), -EBADMSG);
	histogram_record(&histogram, 1000, 1000);
	size = encode();
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(hdr_decode(bytes, cut, &decoded), -EBADMSG);
	for (size_t i = 0; i < 24; i++) {
		bytes[i] ^= 0x40;
		assert_int_equal(hdr_decode(bytes, size, &decoded), -EBADMSG);
		bytes[i] ^= 0x40;
	}
	/* more zeros than there are buckets, then more counts; then a number without an end */
	memset(bytes + 40, 0xff, 9);
	bytes[7] = 9;
	assert_int_equal(hdr_decode(bytes, 49, &decoded), -EBADMSG);
	bytes[7] = 3;
	assert_int_equal(hdr_decode(bytes, 43, &decoded), -EBADMSG);
}

/* One run of zeros to the last bucket, and a count behind it. */
static void
test_counts_behind_the_last_bucket(void **state)
{
	size_t zeros = HISTOGRAM_BUCKETS, size = encode();
	uint64_t zigzag = 2 * zeros - 1;

	(void)state;
	bytes[40] = (unsigned char)(zigzag | 0x80);
	bytes[41] = (unsigned char)(zigzag >> 7);
	bytes[42] = 2;
	assert_true(size >= 41);
	bytes[7] = 2;
	assert_int_equal(hdr_decode(bytes, 42, &decoded), 0);
	bytes[7] = 3;
	assert_int_equal(hdr_decode(bytes, 43, &decoded), -EBADMSG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_known_bytes, setup),
	        cmocka_unit_test_setup(test_every_bucket, setup),
	        cmocka_unit_test_setup(test_all_buckets_at_once, setup),
	        cmocka_unit_test_setup(test_decoding_adds, setup),
	        cmocka_unit_test_setup(test_text_and_back, setup),
	        cmocka_unit_test_setup(test_what_is_no_histogram, setup),
	        cmocka_unit_test_setup(test_counts_behind_the_last_bucket, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
