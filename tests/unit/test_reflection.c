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

static void
every_started_unit_has_its_price(void **state)
{
	static const struct {
		uint64_t size, price;
	} samples[] = {{0, 1}, {1, 1}, {1500, 1}, {1501, 2}, {3000, 2}, {3001, 3}, {65507, 44},
	        {UINT64_MAX, UINT64_MAX / 1500 + 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		assert_int_equal(reflection_price(samples[i].size), samples[i].price);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_port),
	        cmocka_unit_test(every_started_unit_has_its_price),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
