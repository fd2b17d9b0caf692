#include "test.h"

#include "echod/tools/cpu.h"

#include <errno.h>
#include <unistd.h>

static void
test_processes(void **state)
{
	uint64_t before = cpu_own_ns(), by_pid, used;

	(void)state;
	for (volatile int i = 0; i < 1000000; i++)
		;
	used = cpu_own_ns();
	assert_true(used > before);
	assert_int_equal(cpu_of_ns(getpid(), &by_pid), 0);
	assert_true(by_pid >= used);
	assert_int_equal(cpu_of_ns((1 << 22) + 1, &by_pid), -ESRCH); /* PID_MAX_LIMIT */
	assert_int_equal(by_pid, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_processes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
