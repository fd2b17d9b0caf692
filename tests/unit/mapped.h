/*
 * Memory and keys that may be refused: calloc(3), mmap(2) and getentropy(3) of the module under
 * test end here. Behind each mapping lies a page that must not be touched.
 */
#pragma once

#include <stddef.h>

struct mapped {
	size_t calls;   /* so far */
	size_t failing; /* the call that fails, from 1 on; 0: none */
	int error;      /* its errno */
	int now;        /* mappings that are there */
	int keys;       /* made so far */
};

extern struct mapped mapped;

/* For cmocka_unit_test_setup(), too. */
int mapped_reset(void **state);
