#include "test.h"

#include "sending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void
add_single(uint16_t port, size_t start, size_t length)
{
	sending_add(port, start, (struct train){.length = length}, 0);
}

/* So many equal datagrams from each of so many peers in turn. */
static void
add_in_turn(unsigned count, unsigned peers, size_t length)
{
	for (unsigned i = 0; i < count; i++)
		add_single((uint16_t)(2000 + i % peers), i * length, length);
}

static void
equal_datagrams_from_one_peer_are_one_message(void **state)
{
	(void)state;
	add_in_turn(63, 1, 64);
	sending_send();
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.messages, 1);
	assert_int_equal(kernel.count, 63);
	assert_int_equal(stats.udp_answered, 63);
	assert_int_equal(stats.udp_answered_bytes, 63 * 64);
}

static void
peers_in_turn_are_a_message_each(void **state)
{
	(void)state;
	add_in_turn(63, 3, 64);
	sending_send();
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.messages, 3);
	assert_int_equal(kernel.count, 63);
	for (unsigned i = 0; i < 63; i++) {
		assert_int_equal(kernel.sent[i].peer, 2000 + i / 21);
		assert_ptr_equal(kernel.sent[i].bytes, &sending_bytes[(i % 21 * 3 + i / 21) * 64]);
	}
}

/* How many messages become of datagrams of one peer. */
static void
what_fits_together(void **state)
{
	static const struct {
		struct {
			struct train train;
			int traffic_class;
		} added[4];
		size_t count;
		unsigned messages;
	} samples[] = {
	        {{{{100, 0}, 0}, {{100, 0}, 0}}, 2, 1},
	        /* the last may be shorter, and is the last */
	        {{{{100, 0}, 0}, {{99, 0}, 0}}, 2, 1},
	        {{{{100, 0}, 0}, {{99, 0}, 0}, {{99, 0}, 0}}, 3, 2},
	        {{{{99, 0}, 0}, {{100, 0}, 0}}, 2, 2},
	        /* empty ones go alone */
	        {{{{0, 0}, 0}, {{0, 0}, 0}}, 2, 2},
	        {{{{100, 0}, 0}, {{0, 0}, 0}, {{100, 0}, 0}}, 3, 3},
	        /* trains */
	        {{{{300, 100}, 0}, {{200, 100}, 0}, {{100, 0}, 0}, {{1, 0}, 0}}, 4, 1},
	        {{{{100, 0}, 0}, {{250, 100}, 0}, {{100, 0}, 0}}, 3, 2},
	        {{{{100, 0}, 0}, {{200, 99}, 0}}, 2, 2},
	        {{{{100, 100}, 0}, {{100, 200}, 0}}, 2, 1},
	        {{{{200, 100}, 0}, {{50, 200}, 0}}, 2, 1},
	        /* how they leave */
	        {{{{100, 0}, 0}, {{100, 0}, 4}}, 2, 2},
	        /* the order for the peer: the third is not before the second */
	        {{{{100, 0}, 0}, {{100, 0}, 4}, {{100, 0}, 0}}, 3, 3},
	        {{{{100, 0}, 0}, {{200, 0}, 0}, {{100, 0}, 0}}, 3, 2},
	        /* 65507 bytes */
	        {{{{32753, 0}, 0}, {{32753, 0}, 0}, {{1, 0}, 0}}, 3, 1},
	        {{{{32753, 0}, 0}, {{32753, 0}, 0}, {{2, 0}, 0}}, 3, 2},
	        {{{{40000, 0}, 0}, {{40000, 0}, 0}}, 2, 2},
	        /* 64 datagrams */
	        {{{{630, 10}, 0}, {{10, 0}, 0}}, 2, 1},
	        {{{{640, 10}, 0}, {{10, 0}, 0}}, 2, 2},
	        {{{{630, 10}, 0}, {{10, 0}, 0}, {{10, 0}, 0}}, 3, 2},
	        {{{{630, 10}, 0}, {{20, 10}, 0}}, 2, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		size_t bytes = 0;

		print_message("sample %zu\n", i);
		sending_reset(state);
		for (size_t j = 0; j < samples[i].count; j++) {
			sending_add(2000, bytes, samples[i].added[j].train,
			        samples[i].added[j].traffic_class);
			bytes += samples[i].added[j].train.length;
		}
		sending_send();
		assert_int_equal(kernel.messages, samples[i].messages);
		assert_int_equal(stats.udp_answered, kernel.count);
		assert_int_equal(stats.udp_answered_bytes, bytes);
		for (unsigned n = 1; n < kernel.count; n++)
			assert_ptr_equal(kernel.sent[n].bytes,
			        kernel.sent[n - 1].bytes + kernel.sent[n - 1].length);
	}
}

static void
without_coalescing_each_goes_alone(void **state)
{
	(void)state;
	udp_replies_begin(&replies, false);
	add_in_turn(63, 1, 64);
	sending_send();
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(kernel.messages, 63);
}

/* What a UNIX socket sends says nothing beside, even after a group has used the room. */
static void
another_family_goes_alone(void **state)
{
	static struct address to = {.length = sizeof(to.in6), .in6.sin6_family = AF_INET6};
	const struct train single = {.length = 10};

	(void)state;
	add_in_turn(2, 1, 10);
	sending_send();
	sending_forget();
	udp_replies_add(&replies, &to, sending_bytes, &single, NULL);
	udp_replies_add(&replies, &to, sending_bytes, &single, NULL);
	sending_send();
	assert_int_equal(kernel.messages, 2);
	assert_int_equal(kernel.sent[0].traffic_class, -1);
}

static void
every_errno_falls_back_to_single_datagrams(void **state)
{
	static const int errors[] = {EMSGSIZE, EINVAL, EIO, ENOPROTOOPT, EOPNOTSUPP, EPERM, EACCES,
	        ENETUNREACH, EHOSTUNREACH, ENETDOWN, ECONNREFUSED, ENOBUFS, ENOMEM, EAGAIN};

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		sending_reset(state);
		kernel.group_error = errors[e];
		kernel.errors[5] = EPERM;
		add_in_turn(63, 3, 64);
		sending_send();
		assert_int_equal(kernel.messages, 62);
		assert_int_equal(stats.udp_answered, 62);
		assert_int_equal(stats.udp_answered_bytes, 62 * 64);
		assert_int_equal(stats.udp_failed_permission, 1);
		for (unsigned i = 1; i < kernel.count; i++)
			if (kernel.sent[i].peer == kernel.sent[i - 1].peer)
				assert_true(kernel.sent[i].bytes > kernel.sent[i - 1].bytes);
	}
}

/* Sends 8 datagrams of a size to a peer. Returns how many calls that took. */
static unsigned
calls_for_eight(uint16_t peer, size_t size)
{
	sending_forget();
	for (unsigned i = 0; i < 8; i++)
		add_single(peer, i * size, size);
	sending_send();
	assert_int_equal(kernel.count, 8);
	return kernel.messages == 1 ? 1 : kernel.calls;
}

/* What a path refuses is not tried again for a second; others are not touched by it. */
static void
a_narrow_path_is_remembered_for_a_second(void **state)
{
	static const int errors[] = {EMSGSIZE, EINVAL};
	enum { ALONE = 1, IN_VAIN = 1 + 8 };

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		sending_reset(state);
		kernel.group_error = errors[e];
		kernel.largest = 1472;
		kernel.refusing = 2000;
		assert_int_equal(calls_for_eight(2000, 3000), IN_VAIN);
		assert_int_equal(calls_for_eight(2000, 3000), ALONE);
		assert_int_equal(kernel.messages, 8);
		/* smaller ones, and other peers */
		assert_int_equal(calls_for_eight(2000, 1472), ALONE);
		assert_int_equal(kernel.messages, 1);
		assert_int_equal(calls_for_eight(2001, 3000), ALONE);
		assert_int_equal(kernel.messages, 1);
		fake_clock_ns += NS_PER_S - 1;
		sending_send();
		assert_int_equal(calls_for_eight(2000, 3000), ALONE);
		assert_int_equal(kernel.messages, 8);
		fake_clock_ns++;
		sending_send();
		assert_int_equal(calls_for_eight(2000, 3000), IN_VAIN);
	}
}

/* The device without checksum offload, a firewall: no size helps. */
static void
a_path_that_takes_no_groups_is_remembered_for_every_size(void **state)
{
	static const int errors[] = {EIO, EPERM, EOPNOTSUPP};

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		sending_reset(state);
		kernel.group_error = errors[e];
		calls_for_eight(2000, 3000);
		assert_int_equal(calls_for_eight(2000, 3000), 1);
		assert_int_equal(kernel.messages, 8);
		assert_int_equal(calls_for_eight(2000, 10), 1);
		assert_int_equal(kernel.messages, 8);
	}
}

/* A full buffer is no path's. */
static void
too_little_memory_is_not_remembered(void **state)
{
	static const int errors[] = {EAGAIN, ENOBUFS, ENOMEM};

	for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
		sending_reset(state);
		kernel.group_error = errors[e];
		calls_for_eight(2000, 100);
		kernel.group_error = 0;
		calls_for_eight(2000, 100);
		assert_int_equal(kernel.messages, 1);
	}
}

/* A second narrow peer may take the first one's place, but never its time. */
static void
many_narrow_paths(void **state)
{
	(void)state;
	kernel.group_error = EMSGSIZE;
	for (int round = 0; round < 3; round++)
		for (uint16_t peer = 1; peer < 500; peer++)
			calls_for_eight(peer, 2000);
	kernel.group_error = 0;
	fake_clock_ns += NS_PER_S;
	sending_send();
	for (uint16_t peer = 1; peer < 500; peer++) {
		calls_for_eight(peer, 2000);
		assert_int_equal(kernel.messages, 1);
	}
}

static struct {
	uint16_t peer;
	size_t start;
	struct train train;
	int traffic_class;
} added[UDP_BATCH];

static size_t
below(size_t limit)
{
	return (size_t)random() % limit;
}

static void
add_any(size_t count, size_t peers)
{
	static const size_t sizes[] = {0, 1, 64, 64, 64, 1200, 20000};

	for (size_t i = 0; i < count; i++) {
		size_t size = sizes[below(ARRAY_SIZE(sizes))];

		added[i].peer = (uint16_t)(1 + below(peers));
		added[i].start = below(1000) * 197;
		added[i].train = (struct train){.length = size};
		added[i].traffic_class = below(16) ? 0 : 4;
		if (size > 1 && size < 2000 && below(4) == 0) {
			added[i].train.segment = size;
			added[i].train.length = size * (1 + below(20)) + below(2) * (size / 2);
		}
		sending_add(added[i].peer, added[i].start, added[i].train, added[i].traffic_class);
	}
}

/* The datagrams of a peer, as sent, are those that were added, in their order. Returns the fewest
 * messages that this takes. */
static unsigned
check_peer(uint16_t peer, size_t count)
{
	size_t segment = 0, bytes = 0, pieces = 0, open = 0;
	unsigned next = 0, messages = 0;
	int class = -1;

	for (size_t i = 0; i < count; i++) {
		const struct train *train = &added[i].train;
		size_t n = train_count(train), size = n > 1 ? train->segment : train->length;
		size_t offset = 0;

		if (added[i].peer != peer)
			continue;
		for (size_t k = 0; k < n; k++, next++) {
			size_t piece = train_piece(train, offset);

			while (next < kernel.count && kernel.sent[next].peer != peer)
				next++;
			assert_in_range(next, 0, kernel.count - 1);
			assert_ptr_equal(
			        kernel.sent[next].bytes, &sending_bytes[added[i].start + offset]);
			assert_int_equal(kernel.sent[next].length, piece);
			assert_int_equal(kernel.sent[next].traffic_class, added[i].traffic_class);
			offset += piece;
		}
		if (open && size > 0 && class == added[i].traffic_class &&
		        (n > 1 ? size == segment : size <= segment) && pieces + n <= 64 &&
		        bytes + train->length <= 65507) {
			bytes += train->length;
			pieces += n;
		} else {
			messages++;
			segment = size;
			bytes = train->length;
			pieces = n;
			class = added[i].traffic_class;
		}
		open = segment > 0 && bytes % segment == 0;
	}
	while (next < kernel.count)
		assert_int_not_equal(kernel.sent[next++].peer, peer);
	return messages;
}

static void
no_datagram_is_lost_changed_reordered_or_sent_elsewhere(void **state)
{
	srandom(1);
	for (int round = 0; round < 1000; round++) {
		size_t peers = 1 + below(4), count = 1 + below(UDP_BATCH);
		unsigned messages = 0;

		sending_reset(state);
		add_any(count, peers);
		sending_send();
		assert_int_equal(kernel.calls, 1);
		for (size_t peer = 1; peer <= peers; peer++)
			messages += check_peer((uint16_t)peer, count);
		assert_int_equal(kernel.messages, messages);
		assert_int_equal(stats.udp_answered, kernel.count);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(
	                equal_datagrams_from_one_peer_are_one_message, sending_reset),
	        cmocka_unit_test_setup(peers_in_turn_are_a_message_each, sending_reset),
	        cmocka_unit_test_setup(what_fits_together, sending_reset),
	        cmocka_unit_test_setup(without_coalescing_each_goes_alone, sending_reset),
	        cmocka_unit_test_setup(another_family_goes_alone, sending_reset),
	        cmocka_unit_test_setup(every_errno_falls_back_to_single_datagrams, sending_reset),
	        cmocka_unit_test_setup(a_narrow_path_is_remembered_for_a_second, sending_reset),
	        cmocka_unit_test_setup(
	                a_path_that_takes_no_groups_is_remembered_for_every_size, sending_reset),
	        cmocka_unit_test_setup(too_little_memory_is_not_remembered, sending_reset),
	        cmocka_unit_test_setup(many_narrow_paths, sending_reset),
	        cmocka_unit_test_setup(
	                no_datagram_is_lost_changed_reordered_or_sent_elsewhere, sending_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
