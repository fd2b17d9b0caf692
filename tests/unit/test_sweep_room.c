#include "test.h"

#include "crowd.h"
#include "fake_clock.h"

enum {
	CANDIDATES = 64, /* found in one search */
	CROWD = 150,
};

/* Joined one after another, in a scrambled order of slots; the oldest first. */
static void
join_in_turn(struct connection **oldest_first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		oldest_first[i] = crowd_join();
	for (size_t i = count; i-- > 1;) { /* a fixed shuffle */
		size_t other = (i * 7919 + 13) % (i + 1);
		struct connection *swapped = oldest_first[i];

		oldest_first[i] = oldest_first[other];
		oldest_first[other] = swapped;
	}
	for (size_t i = 0; i < count; i++) {
		crowd_moves(oldest_first[i]);
		crowd_pass(200); /* at least one tick */
	}
}

static void
the_one_idle_longest_gives_way(void **state)
{
	struct connection *all[CROWD];
	size_t gone = 0;

	(void)state;
	crowd_gather(CROWD, (struct sweep_config){.idle_timeout_full = 1000});
	join_in_turn(all, CROWD);
	crowd_pass(2000);
	while (gone < CROWD) {
		assert_true(crowd_evict());
		assert_false(all[gone]->open);
		gone++;
		assert_int_equal(connections_open_now(crowd.connections), CROWD - gone);
		if (gone % CANDIDATES == 0) {
			/* one search a tick */
			assert_false(crowd_evict());
			crowd_pass(100);
		}
	}
	assert_int_equal(crowd.stats.tcp_closed_full, CROWD);
	assert_false(crowd_evict());
	sweep_free_slot(crowd.sweep); /* with none to free: nothing happens */
	crowd_disperse();
}

static void
no_connection_is_evicted_early(void **state)
{
	static const uint64_t timeouts[] = {100, 500, 60000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
		uint64_t lasted = 0;

		crowd_gather(2, (struct sweep_config){.idle_timeout_full = timeouts[i]});
		crowd_join();
		crowd_join();
		for (; !crowd_evict(); lasted += 10)
			crowd_pass(10);
		/* a tick that has begun, and the one that is looked in */
		assert_in_range(lasted, timeouts[i], timeouts[i] + 220);
		assert_int_equal(connections_open_now(crowd.connections), 1);
		crowd_disperse();
	}
}

/* A peer that does not take its bytes is the stall timeout's to end. */
static void
who_is_blocked_does_not_give_way(void **state)
{
	struct connection *c;

	(void)state;
	crowd_gather(2, (struct sweep_config){.idle_timeout_full = 1000});
	c = crowd_join();
	c->blocked = true;
	crowd_pass(5000);
	assert_false(crowd_evict());
	assert_int_equal(crowd.reports, 0);
	c->blocked = false;
	crowd_pass(100);
	assert_true(crowd_evict());
	assert_false(c->open);
	crowd_disperse();
}

static void
who_has_changed_since_the_search_is_passed_over(void **state)
{
	struct connection *all[5];

	(void)state;
	crowd_gather(5, (struct sweep_config){.idle_timeout_full = 1000});
	join_in_turn(all, 5);
	crowd_pass(2000);
	assert_true(crowd_evict()); /* all five were found */
	assert_false(all[0]->open);
	crowd_moves(all[1]);
	connection_close(crowd.connections, all[2], CLOSE_EOF);
	assert_ptr_equal(crowd_join(), all[2]); /* another peer in the same slot */
	all[3]->blocked = true;
	assert_true(crowd_evict());
	assert_false(all[4]->open);
	assert_true(all[1]->open && all[2]->open && all[3]->open);
	assert_false(crowd_evict());
	crowd_disperse();
}

/* Moved, and idle for long enough again: still not the one idle longest. */
static void
who_has_moved_is_not_the_one_idle_longest(void **state)
{
	struct connection *all[3];

	(void)state;
	crowd_gather(3, (struct sweep_config){.idle_timeout_full = 1000});
	join_in_turn(all, 3);
	crowd_pass(2000);
	assert_true(crowd_evict());
	crowd_moves(all[1]);
	crowd_pass(5000);
	assert_true(crowd_evict());
	assert_false(all[2]->open);
	assert_true(all[1]->open);
	assert_true(crowd_evict()); /* a search of this tick finds it */
	assert_false(all[1]->open);
	crowd_disperse();
}

static void
it_reports_who_would_give_way(void **state)
{
	struct connection *c[20];

	(void)state;
	crowd_gather(20, (struct sweep_config){.idle_timeout_full = 5000});
	for (size_t i = 0; i < 20; i++)
		c[i] = crowd_join();
	crowd_pass(5000);
	assert_int_equal(crowd.reports, 0);
	for (size_t i = 0; i < 20; i++)
		if (i != 17)
			crowd_moves(c[i]);
	crowd_pass(1200);
	assert_in_range(crowd.reports, 1, 2); /* once a round over all of them */
	crowd_disperse();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_one_idle_longest_gives_way),
	        cmocka_unit_test(no_connection_is_evicted_early),
	        cmocka_unit_test(who_is_blocked_does_not_give_way),
	        cmocka_unit_test(who_has_changed_since_the_search_is_passed_over),
	        cmocka_unit_test(who_has_moved_is_not_the_one_idle_longest),
	        cmocka_unit_test(it_reports_who_would_give_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
