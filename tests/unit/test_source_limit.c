#include "test.h"

#include "echod/source_limit.h"

#include <errno.h>

static struct address
peer(const char *text)
{
	struct address result;

	assert_int_equal(address_parse(text, &result, NULL), 0);
	return result;
}

static void
connections_are_counted_exactly(void **state)
{
	struct source_limit *sources = source_limit_new(4, 2);
	const struct address a = peer("192.0.2.1"), b = peer("192.0.2.2"),
	                     mapped = peer("::ffff:192.0.2.1"), c = peer("2001:db8:0:1::1"),
	                     d = peer("2001:db8:0:1:f::1");
	uint32_t place[4], none;

	(void)state;
	assert_non_null(sources);
	assert_int_equal(source_limit_connect(sources, &a, &place[0]), 0);
	assert_int_equal(source_limit_connect(sources, &mapped, &place[1]), 0);
	assert_int_equal(place[0], place[1]);
	assert_int_equal(source_limit_connect(sources, &a, &none), -EDQUOT);
	assert_int_equal(none, SOURCE_LIMIT_NONE);
	assert_int_equal(source_limit_connect(sources, &c, &place[2]), 0);
	assert_int_equal(source_limit_connect(sources, &d, &place[3]), 0);
	assert_int_equal(source_limit_connect(sources, &c, &none), -EDQUOT);
	source_limit_disconnect(sources, place[0]);
	assert_int_equal(source_limit_connect(sources, &mapped, &place[0]), 0);
	assert_int_equal(source_limit_connect(sources, &a, &none), -EDQUOT);
	source_limit_disconnect(sources, place[0]);
	source_limit_disconnect(sources, place[1]);
	assert_int_equal(source_limit_connect(sources, &b, &place[0]), 0);
	assert_int_equal(source_limit_connect(sources, &b, &place[1]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(place); i++)
		source_limit_disconnect(sources, place[i]);
	source_limit_free(sources);
}

static void
restored_connections_count_beyond_the_limit(void **state)
{
	struct source_limit *sources = source_limit_new(3, 1);
	const struct address a = peer("192.0.2.1"), b = peer("192.0.2.2");
	uint32_t place[2], none;

	(void)state;
	assert_int_equal(source_limit_restore(sources, &b), 0);
	place[0] = source_limit_restore(sources, &a);
	place[1] = source_limit_restore(sources, &a);
	assert_int_equal(place[0], 1);
	assert_int_equal(place[1], 1);
	source_limit_disconnect(sources, place[0]);
	assert_int_equal(source_limit_connect(sources, &a, &none), -EDQUOT);
	source_limit_disconnect(sources, place[1]);
	assert_int_equal(source_limit_connect(sources, &a, &none), 0);
	source_limit_free(sources);
}

/* As many sources as places, again and again: every chain loses and gains its first, middle, last.
 */
static void
places_come_back(void **state)
{
	enum { PLACES = 256 };
	struct source_limit *sources = source_limit_new(PLACES, 1);
	uint32_t place[PLACES], none;

	(void)state;
	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < PLACES; i++) {
			struct address from = {.in4 = {.sin_family = AF_INET,
			                               .sin_addr.s_addr = htonl(round * 1000 + i)}};

			assert_int_equal(source_limit_connect(sources, &from, &place[i]), 0);
			assert_int_equal(source_limit_connect(sources, &from, &none), -EDQUOT);
		}
		for (uint32_t i = 0; i < PLACES; i++)
			source_limit_disconnect(sources, place[i * 101 % PLACES]);
	}
	source_limit_free(sources);
}

static void
what_has_no_address_has_no_limit(void **state)
{
	struct source_limit *sources = source_limit_new(1, 1);
	const struct address local = {.local = {.sun_family = AF_UNIX}};
	uint32_t place;

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(source_limit_connect(sources, &local, &place), 0);
		assert_int_equal(place, SOURCE_LIMIT_NONE);
		source_limit_disconnect(sources, place);
	}
	source_limit_free(sources);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(connections_are_counted_exactly),
	        cmocka_unit_test(restored_connections_count_beyond_the_limit),
	        cmocka_unit_test(places_come_back),
	        cmocka_unit_test(what_has_no_address_has_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
