/* The fields of a result: between result.c, which merges by them, and result_json.c. */
#pragma once

#include <stddef.h>

enum result_kind {
	RESULT_TEXT,    /* char *; not written when NULL */
	RESULT_COUNT,   /* uint64_t */
	RESULT_SECONDS, /* uint64_t of nanoseconds, a decimal fraction in JSON */
	RESULT_MOMENT,  /* uint64_t of nanoseconds since 1970, RFC 3339 in JSON */
	RESULT_SHARE,   /* double */
};

/* How the values of two parts become one. */
enum result_rule {
	RESULT_SAME, /* they must be equal */
	RESULT_SUM,
	RESULT_MAX,
	RESULT_UNION, /* of texts: each once, in order, ", " between them */
	RESULT_SPAN,  /* of the start and the duration: from the first start to the last end */
};

struct result_field {
	const char *path; /* in the JSON object: "counts.sent" */
	enum result_kind kind;
	enum result_rule rule;
	size_t offset;
	int optional; /* not written when 0 */
};

extern const struct result_field result_fields[];
extern const size_t result_n_fields;
