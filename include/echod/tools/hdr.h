/*
 * Histograms in the format of HdrHistogram (V2, compressed, base64), which its implementations in
 * other languages read: https://github.com/HdrHistogram. Two significant digits there are the
 * buckets of histogram.h here.
 */
#pragma once

#include "echod/tools/histogram.h"

#include <stddef.h>

/* The most bytes that the encoding takes before it is compressed. */
#define HDR_MAX_SIZE (40 + 9 * HISTOGRAM_BUCKETS)

/* Writes the encoding, not compressed; bytes has room for HDR_MAX_SIZE. Returns its size. */
size_t hdr_encode(const struct histogram *histogram, unsigned char *bytes);

/*
 * Adds the counts of an encoding to a histogram. Its sum, min and max are those of the buckets:
 * middles, lowest and highest values. Returns 0, or -EBADMSG and the histogram may have changed.
 */
int hdr_decode(const unsigned char *bytes, size_t size, struct histogram *histogram);

/* Compresses an encoding to text, which is the caller's to free; NULL for want of memory. */
char *hdr_to_text(const unsigned char *bytes, size_t size);

/* From such text back to bytes, with room for HDR_MAX_SIZE. Returns 0, -EBADMSG or -ENOMEM. */
int hdr_from_text(const char *text, unsigned char *bytes, size_t *size);
