#include "test.h"

#include "mapped.h"

#include "echod/source_limit.h"
#include "echod/source_tokens.h"

#include <errno.h>

static void
a_table_without_memory(void **state)
{
	struct source_limit *sources = source_limit_new(10, 1);
	size_t calls = mapped.calls;

	assert_non_null(sources);
	source_limit_free(sources);
	assert_int_equal(mapped.now, 0);
	for (size_t call = 1; call <= calls; call++) {
		mapped_reset(state);
		mapped.failing = call;
		assert_null(source_limit_new(10, 1));
		assert_int_equal(errno, mapped.error);
		assert_int_equal(mapped.now, 0);
	}
}

static void
tokens_without_memory(void **state)
{
	source_tokens_free(source_tokens_new(1, NULL, 0));
	for (size_t call = mapped.calls; call > 0; call--) {
		mapped_reset(state);
		mapped.failing = call;
		assert_null(source_tokens_new(1, NULL, 0));
		assert_int_equal(errno, mapped.error);
		assert_int_equal(mapped.now, 0);
	}
}

/* Otherwise a peer could choose addresses that collide. */
static void
each_table_has_its_key(void **state)
{
	(void)state;
	source_limit_free(source_limit_new(10, 1));
	assert_int_equal(mapped.keys, 1);
	source_tokens_free(source_tokens_new(1, NULL, 0));
	assert_int_equal(mapped.keys, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(a_table_without_memory, mapped_reset),
	        cmocka_unit_test_setup(tokens_without_memory, mapped_reset),
	        cmocka_unit_test_setup(each_table_has_its_key, mapped_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
