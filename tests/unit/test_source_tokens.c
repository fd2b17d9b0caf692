#include "test.h"

#include "echod/common/address.h"
#include "echod/common/clock.h"
#include "echod/source_tokens.h"

#include <arpa/inet.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	RATE = 100,
	BURST = 2 * RATE,
};

static const uint64_t start_ns = 1000 * NS_PER_S;
static const struct train one_byte = {.length = 1};

static struct in6_addr
address(const char *text)
{
	struct in6_addr result;

	assert_int_equal(inet_pton(AF_INET6, text, &result), 1);
	return result;
}

static struct in6_addr
numbered(uint32_t number)
{
	return address_mapped((struct in_addr){htonl(UINT32_C(0x0a000000) + number)});
}

static struct source_tokens *
new_tokens(uint64_t rate, const struct prefix *exempt, size_t n_exempt)
{
	struct source_tokens *tokens = source_tokens_new(rate, exempt, n_exempt);

	assert_non_null(tokens);
	return tokens;
}

/* How many of the trains a source can pay for at one time, and at most `most` of them. */
static uint32_t
spend(struct source_tokens *tokens, const char *source, struct train train, uint32_t most)
{
	const struct in6_addr from = address(source);
	uint32_t paid = 0;

	while (paid < most && source_tokens_take(tokens, &from, &train, start_ns))
		paid++;
	return paid;
}

static void
a_source_has_its_burst_and_then_its_rate(void **state)
{
	struct source_tokens *tokens = new_tokens(RATE, NULL, 0);
	const struct in6_addr from = address("::ffff:192.0.2.1");
	uint64_t token_ns = NS_PER_S / RATE;

	(void)state;
	assert_int_equal(spend(tokens, "::ffff:192.0.2.1", one_byte, UINT32_MAX), BURST);
	assert_int_equal(source_tokens_take(tokens, &from, &one_byte, start_ns + token_ns - 1), 0);
	assert_int_equal(source_tokens_take(tokens, &from, &one_byte, start_ns + token_ns), 1);
	assert_int_equal(source_tokens_take(tokens, &from, &one_byte, start_ns + token_ns), 0);
	source_tokens_free(tokens);
}

static void
a_token_pays_for_1500_bytes(void **state)
{
	static const struct {
		size_t length;
		uint32_t price;
	} samples[] = {{0, 1}, {1, 1}, {1500, 1}, {1501, 2}, {3000, 2}, {3001, 3}, {65507, 44}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct source_tokens *tokens = new_tokens(RATE, NULL, 0);
		const struct train single = {.length = samples[i].length};

		assert_int_equal(
		        spend(tokens, "2001:db8::1", single, UINT32_MAX), BURST / samples[i].price);
		source_tokens_free(tokens);
	}
}

static void
of_a_train_the_first_are_paid(void **state)
{
	static const struct {
		struct train train;
		uint32_t before, paid; /* tokens spent before */
	} samples[] = {
	        {{.length = 640, .segment = 10}, 0, 64},
	        {{.length = 640, .segment = 10}, BURST - 64, 64},
	        {{.length = 640, .segment = 10}, BURST - 63, 63},
	        {{.length = 640, .segment = 10}, BURST - 1, 1},
	        {{.length = 640, .segment = 10}, BURST, 0},
	        /* two of 2000 bytes and one of 1: 2 + 2 + 1 tokens */
	        {{.length = 4001, .segment = 2000}, BURST - 5, 3},
	        {{.length = 4001, .segment = 2000}, BURST - 4, 2},
	        /* the second is too dear, and the third is not taken out of turn */
	        {{.length = 4001, .segment = 2000}, BURST - 3, 1},
	        {{.length = 4001, .segment = 2000}, BURST - 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct source_tokens *tokens = new_tokens(RATE, NULL, 0);
		const struct in6_addr from = address("2001:db8::1");

		assert_int_equal(spend(tokens, "2001:db8::1", one_byte, samples[i].before),
		        samples[i].before);
		assert_int_equal(source_tokens_take(tokens, &from, &samples[i].train, start_ns),
		        samples[i].paid);
		source_tokens_free(tokens);
	}
}

/* Addresses of one source (test_source.c says which) share its tokens. */
static void
a_source_pays_for_all_its_addresses(void **state)
{
	struct source_tokens *tokens = new_tokens(RATE, NULL, 0);

	(void)state;
	assert_int_equal(spend(tokens, "2001:db8:0:1::1", one_byte, BURST), BURST);
	assert_int_equal(spend(tokens, "2001:db8:0:1:ffff:ffff:ffff:ffff", one_byte, BURST), 0);
	source_tokens_free(tokens);
}

static void
exempt_sources(void **state)
{
	static const struct {
		const char *source;
		bool exempt;
	} samples[] = {
	        {"::ffff:127.0.0.1", true},
	        {"::ffff:127.255.0.1", true},
	        {"::ffff:128.0.0.1", false},
	        {"::1", true},
	        {"::2", false},
	        {"::7f00:1", false},
	        {"::ffff:10.1.2.3", true},
	        {"::ffff:11.0.0.0", false},
	        {"2001:db8::1", true},
	        {"2001:db9::1", false},
	        /* loopback in some of their words only */
	        {"0:0:1::1", false},
	        {"::1:0:0:1", false},
	        {"0:0:1:0:0:ffff:127.0.0.1", false},
	};
	struct prefix exempt[2];
	struct source_tokens *tokens;

	(void)state;
	assert_int_equal(prefix_parse("10.0.0.0/8", &exempt[0]), 0);
	assert_int_equal(prefix_parse("2001:db8::/32", &exempt[1]), 0);
	tokens = new_tokens(1, exempt, 2);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		/* never affordable at this rate */
		const struct train large = {.length = 65507, .segment = 30000};
		const struct in6_addr from = address(samples[i].source);

		print_message("%s\n", samples[i].source);
		assert_int_equal(source_tokens_take(tokens, &from, &large, start_ns),
		        samples[i].exempt ? 3 : 0);
	}
	source_tokens_free(tokens);
}

static void
no_rate_is_no_limit(void **state)
{
	struct source_tokens *tokens = new_tokens(0, NULL, 0);

	(void)state;
	assert_int_equal(spend(tokens, "2001:db8::1", (struct train){.length = 65507}, 1000), 1000);
	source_tokens_free(tokens);
}

/* A million forged sources, a datagram each, leave nearly every source nearly all of its tokens. */
static void
a_flood_of_sources_evicts_no_source(void **state)
{
	enum { FLOOD = 1000000, WITNESSES = 200 };
	struct source_tokens *tokens = new_tokens(RATE, NULL, 0);
	uint32_t left = 0;

	(void)state;
	for (uint32_t i = 0; i < FLOOD; i++) {
		const struct in6_addr from = numbered(i);

		source_tokens_take(tokens, &from, &one_byte, start_ns);
	}
	for (uint32_t i = 0; i < WITNESSES; i++) {
		const struct in6_addr from = numbered(FLOOD + i);

		for (int n = 0; n < BURST; n++)
			left += source_tokens_take(tokens, &from, &one_byte, start_ns);
	}
	/* 1000000 / 65536 is 15.3 a slot; the mean of 200 witnesses is within 3 of that */
	assert_in_range(left / WITNESSES, BURST - 19, BURST - 12);
	source_tokens_free(tokens);
}

/* Whether two sources share a slot; both have their tokens again after a minute. */
static bool
share(struct source_tokens *tokens, uint32_t one, uint32_t other, uint64_t now_ns)
{
	const struct in6_addr first = numbered(one), second = numbered(other);

	while (source_tokens_take(tokens, &first, &one_byte, now_ns))
		continue;
	return !source_tokens_take(tokens, &second, &one_byte, now_ns);
}

/* Which sources share a slot depends on a key that is new each time. */
static void
a_peer_cannot_know_which_source_it_starves(void **state)
{
	struct source_tokens *tokens = new_tokens(1, NULL, 0);
	uint32_t other = 0;
	bool again = true;

	(void)state;
	do
		other++;
	while (!share(tokens, 0, other, start_ns + UINT64_C(60) * other * NS_PER_S));
	source_tokens_free(tokens);
	for (int i = 0; i < 3; i++) {
		tokens = new_tokens(1, NULL, 0);
		again = again && share(tokens, 0, other, start_ns);
		source_tokens_free(tokens);
	}
	assert_false(again);
}

/* Of other slots than this version has, nothing is taken; full ones take no memory. */
static void
what_is_spent_is_saved(void **state)
{
	static uint64_t slots[1 << 16];
	struct handover_record record = {.kind = HANDOVER_TOKENS,
	        .tail = (const unsigned char *)slots,
	        .tail_size = sizeof(slots)};
	struct in6_addr source = address("2001:db8::1");
	struct source_tokens *tokens = new_tokens(RATE, NULL, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		slots[i] = start_ns + 2 * NS_PER_S; /* all is spent */
	for (record.tokens.first = 1; record.tokens.first <= 1 << 17; record.tokens.first *= 2)
		source_tokens_restore(tokens, &record, start_ns);
	assert_int_equal(source_tokens_take(tokens, &source, &one_byte, start_ns), 1);
	record.tokens.first = 0;
	source_tokens_restore(tokens, &record, start_ns + 2 * NS_PER_S);
	assert_int_equal(source_tokens_take(tokens, &source, &one_byte, start_ns), 1);
	source_tokens_restore(tokens, &record, start_ns);
	for (uint32_t i = 0; i < 2000000; i++) { /* sources on every slot */
		source = numbered(i);
		assert_int_equal(source_tokens_take(tokens, &source, &one_byte, start_ns), 0);
	}
	source_tokens_free(tokens);
}

static void
save(const struct source_tokens *tokens, uint64_t now_ns, struct handover *handover)
{
	static struct handover_writer writer;
	int state_fd = memfd_create("state", MFD_CLOEXEC);
	char problem[128];

	handover_begin(&writer, state_fd);
	source_tokens_save(tokens, &writer, now_ns);
	assert_int_equal(handover_end(&writer), 0);
	assert_int_equal(handover_open(handover, state_fd, problem, sizeof(problem)), 0);
	close(state_fd);
}

/* How many records of slots are saved. */
static size_t
saved_records(const struct source_tokens *tokens, uint64_t now_ns)
{
	struct handover handover;
	struct handover_record record;
	size_t offset = 0, n = 0;

	save(tokens, now_ns, &handover);
	while (handover_next(&handover, &offset, &record))
		n += record.kind == HANDOVER_TOKENS;
	handover_free(&handover);
	return n;
}

/* A reload waits for the write: what holds all its tokens is not written. */
static void
only_what_is_spent_is_saved(void **state)
{
	struct source_tokens *tokens = new_tokens(RATE, NULL, 0);
	uint64_t full_ns = start_ns + NS_PER_S / RATE;

	(void)state;
	assert_int_equal(saved_records(tokens, start_ns), 0);
	assert_int_equal(spend(tokens, "2001:db8::1", one_byte, 1), 1);
	assert_int_equal(saved_records(tokens, full_ns - 1), 1);
	assert_int_equal(saved_records(tokens, full_ns), 0);
	for (uint32_t i = 0; i < 4096; i++) { /* among them one on the first slot of a record */
		struct in6_addr source = numbered(i);

		assert_int_equal(source_tokens_take(tokens, &source, &one_byte, full_ns), 1);
		assert_int_equal(saved_records(tokens, full_ns), 1);
		full_ns += NS_PER_S / RATE;
	}
	source_tokens_free(tokens);
}

/* A page at once, each one once. */
static void
all_slots_are_saved(void **state)
{
	static uint64_t spent[1 << 16];
	struct handover_record record = {.kind = HANDOVER_TOKENS,
	        .tail = (const unsigned char *)spent,
	        .tail_size = sizeof(spent)};
	struct source_tokens *tokens = new_tokens(RATE, NULL, 0);
	struct handover handover;
	size_t offset = 0, slots = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(spent); i++)
		spent[i] = start_ns + i + 1;
	source_tokens_restore(tokens, &record, start_ns);
	save(tokens, start_ns, &handover);
	while (handover_next(&handover, &offset, &record)) {
		assert_int_equal(record.tokens.first, slots);
		assert_int_equal(record.tail_size, 4096);
		assert_memory_equal(record.tail, &spent[slots], 4096);
		slots += 512;
	}
	assert_int_equal(slots, ARRAY_SIZE(spent));
	handover_free(&handover);
	source_tokens_free(tokens);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_source_has_its_burst_and_then_its_rate),
	        cmocka_unit_test(a_token_pays_for_1500_bytes),
	        cmocka_unit_test(of_a_train_the_first_are_paid),
	        cmocka_unit_test(a_source_pays_for_all_its_addresses),
	        cmocka_unit_test(exempt_sources),
	        cmocka_unit_test(no_rate_is_no_limit),
	        cmocka_unit_test(what_is_spent_is_saved),
	        cmocka_unit_test(only_what_is_spent_is_saved),
	        cmocka_unit_test(all_slots_are_saved),
	        cmocka_unit_test(a_flood_of_sources_evicts_no_source),
	        cmocka_unit_test(a_peer_cannot_know_which_source_it_starves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
