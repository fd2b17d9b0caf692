/*
 * Results of ten processes, and the result of all of them: the same exchanges are recorded in the
 * whole and in one of the parts each.
 */
#pragma once

#include "echod/tools/result.h"

enum {
	N_PARTS = 10,
	N_SECONDS = 30,
};

#define S UINT64_C(1000000000)

extern struct result parts[N_PARTS], whole;

/* Fixtures of cmocka: they make the parts and the whole, and release them. */
int parts_setup(void **state);
int parts_teardown(void **state);

/* Fills in what parts of one run have in common; the texts may be NULL. */
void parts_describe(struct result *result, const char *hostname, const char *label);

/* A number below the bound, the same ones in each run. */
uint64_t parts_random(uint64_t bound);

/* The JSON of a result, which is the caller's to free. */
char *parts_json(const struct result *result);

void assert_same_result(const struct result *a, const struct result *b);
void merge_part(struct result *sum, const struct result *part);
