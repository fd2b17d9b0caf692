#include "test.h"

#include "echod/common/reflection.h"

static void
every_port(void **state)
{
	static const uint16_t services[] = {1900, 2049, 3702, 5353, 5355, 11211};
	size_t refused = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		assert_true(reflection_port_refused(services[i]));
	assert_true(reflection_port_refused(0));
	assert_true(reflection_port_refused(1023));
	assert_false(reflection_port_refused(1024));
	for (uint32_t port = 0; port <= UINT16_MAX; port++)
		refused += reflection_port_refused((uint16_t)port);
	assert_int_equal(refused, 1024 + ARRAY_SIZE(services));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_port)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
