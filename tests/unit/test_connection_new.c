#include "test.h"

#include "mapped.h"

#include "echod/connection_begin.h"

#include <errno.h>
#include <sys/eventfd.h>

enum {
	LIMIT = 64, /* connections: a page, exactly */
	RING = 4096,
};

static struct ev_loop *loop;
static struct stats stats;

static void
on_closed(void *owner)
{
	(void)owner;
}

static struct connections *
make(bool log_exits, uint64_t source_limit)
{
	return connections_new(&(struct connections_config){.loop = loop,
	        .limit = LIMIT,
	        .ring_size = RING,
	        .ring_memory = RING,
	        .log_exits = log_exits,
	        .source_limit = source_limit,
	        .stats = &stats,
	        .on_closed = on_closed});
}

static void
without_memory_there_is_nothing(void **state)
{
	for (unsigned way = 0; way < 4; way++) {
		struct connections *all;
		size_t calls;

		mapped_reset(state);
		all = make(way & 1, way / 2);
		assert_non_null(all);
		connections_free(all);
		assert_int_equal(mapped.now, 0);
		calls = mapped.calls;
		for (size_t call = 1; call <= calls; call++) {
			mapped_reset(state);
			mapped.failing = call;
			assert_null(make(way & 1, way / 2));
			assert_int_equal(errno, mapped.error);
			assert_int_equal(mapped.now, 0);
		}
	}
}

/* A side table is larger than what a connection itself takes. */
static void
what_only_some_options_need_is_mapped_only_then(void **state)
{
	struct connections *all = make(false, 0);
	int least = mapped.now;

	(void)state;
	connections_free(all);
	all = make(true, 0);
	assert_int_equal(mapped.now, least + 1);
	connections_free(all);
	all = make(false, 1);
	assert_true(mapped.now > least + 1);
	connections_free(all);
}

/* All slots and no byte more, each connection from a source of its own. The source is checked
 * first. */
static void
a_full_table_is_given_back(void **state)
{
	struct address peer = {.in4 = {.sin_family = AF_INET}};
	struct connections *all = make(false, 1);

	(void)state;
	for (int i = 0; i < LIMIT; i++, peer.in4.sin_addr.s_addr++)
		assert_int_equal(connection_open(all, eventfd(0, EFD_NONBLOCK), &peer), 0);
	assert_int_equal(connection_open(all, 99, &peer), -ENOBUFS);
	assert_int_equal(connection_open(all, 99, &peer), -ENOBUFS); /* nothing was counted */
	peer.in4.sin_addr.s_addr--;
	assert_int_equal(connection_open(all, 99, &peer), -EDQUOT);
	connections_free(all);
	assert_int_equal(stats.tcp_closed_drain, LIMIT);
	assert_int_equal(mapped.now, 0);
}

static int
set_up(void **state)
{
	(void)state;
	loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	return loop ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	ev_loop_destroy(loop);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(without_memory_there_is_nothing, mapped_reset),
	        cmocka_unit_test_setup(
	                what_only_some_options_need_is_mapped_only_then, mapped_reset),
	        cmocka_unit_test_setup(a_full_table_is_given_back, mapped_reset),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
