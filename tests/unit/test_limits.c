#include "test.h"

#include "echod/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>

static struct rlimit files;
static int unknown; /* errno of getrlimit(2); 0: it answers */
static bool may_set;

/* clang links AddressSanitizer's runtime into the test: it asks for other limits here, before
 * anything that it instruments can run. */
#define UNSANITIZED __attribute__((no_sanitize("address", "undefined")))

int __real_getrlimit(__rlimit_resource_t resource, struct rlimit *limit);
int __wrap_getrlimit(__rlimit_resource_t resource, struct rlimit *limit);
int __real_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit);
int __wrap_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit);

UNSANITIZED int
__wrap_getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
	if (resource != RLIMIT_NOFILE)
		return __real_getrlimit(resource, limit);
	if (unknown) {
		errno = unknown;
		return -1;
	}
	*limit = files;
	return 0;
}

UNSANITIZED int
__wrap_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	if (resource != RLIMIT_NOFILE)
		return __real_setrlimit(resource, limit);
	assert_int_equal(limit->rlim_max, files.rlim_max); /* what is given away never comes back */
	if (may_set) {
		files = *limit;
		return 0;
	}
	errno = EPERM;
	return -1;
}

static void
connections_fit_below_the_file_limit(void **state)
{
	const struct {
		rlim_t soft, hard;
		bool may_set;
		uint64_t asked;
		uint32_t fit;
		rlim_t soft_after;
	} samples[] = {
	        /* the soft limit goes up to the hard one */
	        {1024, 20000, true, 0, 20000 - 32, 20000},
	        {1024, 20000, true, 19968, 19968, 20000},
	        {1024, 20000, true, 19969, 19968, 20000},
	        {1024, 20000, true, 5, 5, 20000},
	        {1024, 20000, false, 0, 1024 - 32, 1024},
	        {20000, 20000, false, 0, 20000 - 32, 20000},
	        /* by default no more than 100,000, unless asked */
	        {1024, 524288, true, 0, 100000, 524288},
	        {1024, 524288, true, 500000, 500000, 524288},
	        {1024, 524288, true, 1000000, 524256, 524288},
	        {1024, 100032, true, 0, 100000, 100032},
	        {1024, 100031, true, 0, 99999, 100031},
	        {RLIM_INFINITY, RLIM_INFINITY, true, 0, 100000, RLIM_INFINITY},
	        {1024, RLIM_INFINITY, true, 100000000, 100000000, RLIM_INFINITY},
	        /* not even one */
	        {33, 33, true, 0, 1, 33},
	        {32, 32, true, 0, 0, 32},
	        {32, 32, true, 7, 0, 32},
	        {31, 31, true, 7, 0, 31},
	        {0, 0, true, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		files = (struct rlimit){samples[i].soft, samples[i].hard};
		may_set = samples[i].may_set;
		limits_raise();
		assert_int_equal(limits_connections(samples[i].asked, 2), samples[i].fit);
		assert_int_equal(files.rlim_cur, samples[i].soft_after);
	}
}

static void
listeners_are_no_room_for_connections(void **state)
{
	(void)state;
	files = (struct rlimit){1024, 1024};
	assert_int_equal(limits_connections(0, 0), 1024 - 32);
	assert_int_equal(limits_connections(0, 16), 1024 - 32);
	assert_int_equal(limits_connections(0, 17), 1024 - 33);
	assert_int_equal(limits_connections(900, 916), 1024 - 932);
	assert_int_equal(limits_connections(0, 1007), 1);
	assert_int_equal(limits_connections(0, 1008), 0);
}

static void
without_a_limit_known_there_is_no_room(void **state)
{
	(void)state;
	files = (struct rlimit){1024, 2048};
	may_set = true;
	unknown = EPERM;
	limits_raise();
	assert_int_equal(limits_connections(5, 2), 0);
	assert_int_equal(errno, EPERM);
	assert_int_equal(limits_files(), 0);
	unknown = 0;
	assert_int_equal(files.rlim_cur, 1024);
	files = (struct rlimit){32, 32};
	assert_int_equal(limits_files(), 32);
	errno = 0;
	assert_int_equal(limits_connections(5, 2), 0);
	assert_int_equal(errno, EMFILE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(connections_fit_below_the_file_limit),
	        cmocka_unit_test(listeners_are_no_room_for_connections),
	        cmocka_unit_test(without_a_limit_known_there_is_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
