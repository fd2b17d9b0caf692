/*
 * The states that released versions have left (golden/state-N, for version N) are read by this one,
 * and everything in them is what was written. Made on a host with little-endian numbers; no field
 * depends on the size of a word.
 *
 * test_golden FILE writes the state of this version (docs/releasing.md).
 */
#include "test.h"

#include "echod/handover.h"
#include "echod/options.h"
#include "echod/stats.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct handover_daemon daemon_state = {.begun_ns = 0x0102030405060708,
        .keepalive_ms = 300000,
        .accept_full_at_ns = 0x1112131415161718,
        .ticks = 0x21222324,
        .other_files = 5};
static const char *const arguments[] = {
        "--listen=127.0.0.1:50007", "--udp-rate=10", "--idle-timeout=1500ms", "--verbose=on"};
static const struct handover_listener listeners[] = {
        {.listen_fd = 3,
                .flags = HANDOVER_HANDED_OVER,
                .wanted = {.sin6_family = AF_INET, .sin6_port = 0x57c3}},
        {.listen_fd = 4,
                .flags = HANDOVER_DUAL_STACK,
                .drops = 0x31323334,
                .wanted = {.sin6_family = AF_INET6, .sin6_addr.s6_addr = {1, 2, 3, [15] = 16}}},
        {.listen_fd = 5, .flags = HANDOVER_FOR_STATS, .wanted = {.sin6_family = AF_UNIX}},
};
static const struct handover_connection connections[] = {
        {.peer_fd = 10,
                .flags = HANDOVER_BLOCKED,
                .sent = 0x4142434445464748,
                .opened_ns = 0x5152535455565758,
                .peer = {.sin6_family = AF_INET6, .sin6_port = 9, .sin6_scope_id = 7},
                .active_at = 0x61626364,
                .acked = 0x71727374,
                .waiting_since = 0x81828384},
        {.peer_fd = 11, .flags = HANDOVER_FINISHED},
        {.peer_fd = 12, .flags = HANDOVER_FINISHED | HANDOVER_BLOCKED},
        {.peer_fd = 13, .flags = HANDOVER_AWAITS_HEADER},
};
static const char *const held[] = {"bytes in a ring", "", "ends", ""}; /* by these connections */
static const struct handover_tokens tokens = {.key = {1, 2, 3, [15] = 16}, .first = 512};
static const uint64_t slots[] = {0, 1, UINT64_MAX};

static void
write_tail(struct handover_writer *writer, enum handover_kind kind, const void *record,
        const void *tail, size_t size)
{
	const struct handover_span span = {tail, size};

	handover_write(writer, kind, record, &span, 1);
}

/* Every counter has a value of its own. */
static void
write_counters(struct handover_writer *writer)
{
	char text[STATS_TEXT_SIZE] = "";
	struct stats stats = {0};
	uint64_t value = 1000;

	for (size_t at = 0; at < sizeof(stats); at += sizeof(value), value++)
		memcpy((char *)&stats + at, &value, sizeof(value));
	stats_format(&stats, text, sizeof(text));
	write_tail(writer, HANDOVER_COUNTERS, NULL, text, strlen(text));
}

static int
write_golden(const char *path)
{
	static struct handover_writer writer;
	int state_fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

	handover_begin(&writer, state_fd);
	handover_write(&writer, HANDOVER_DAEMON, &daemon_state, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(arguments); i++)
		write_tail(&writer, HANDOVER_ARGUMENT, NULL, arguments[i], strlen(arguments[i]));
	write_counters(&writer);
	for (size_t i = 0; i < ARRAY_SIZE(listeners); i++)
		handover_write(&writer, HANDOVER_LISTENER, &listeners[i], NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(connections); i++)
		write_tail(&writer, HANDOVER_CONNECTION, &connections[i], held[i], strlen(held[i]));
	write_tail(&writer, HANDOVER_TOKENS, &tokens, slots, sizeof(slots));
	return -handover_end(&writer);
}

static struct handover handover;
static size_t offset;

/* The next record is of this kind and holds this; its tail may be left out. */
static struct handover_record
expect(enum handover_kind kind, const void *fixed, size_t fixed_size, const void *tail, size_t size)
{
	struct handover_record record;

	assert_true(handover_next(&handover, &offset, &record));
	assert_int_equal(record.kind, kind);
	if (fixed)
		assert_memory_equal(record.fixed, fixed, fixed_size);
	if (tail) {
		assert_int_equal(record.tail_size, size);
		assert_memory_equal(record.tail, tail, size);
	}
	return record;
}

/* All of them are still known, and had values of their own. */
static void
expect_counters(void)
{
	struct handover_record record = expect(HANDOVER_COUNTERS, NULL, 0, NULL, 0);
	char then[STATS_TEXT_SIZE] = "", now[STATS_TEXT_SIZE], *next = then;
	struct stats stats = {0};
	uint64_t value = 1000;

	memcpy(then, record.tail, record.tail_size);
	stats_parse(&stats, then, record.tail_size);
	stats_format(&stats, now, sizeof(now));
	for (char *pair; (pair = strsep(&next, " ")); value++) {
		unsigned long long was = 0;

		assert_non_null(strstr(now, pair));
		assert_int_equal(sscanf(pair, "%*[^=]=%llu", &was), 1);
		assert_int_equal(was, value);
	}
	assert_true(value > 1040);
}

static void
expect_arguments(void)
{
	char *argv[ARRAY_SIZE(arguments) + 2] = {(char[]){"echod"}}, problem[256];
	struct options options;

	for (size_t i = 0; i < ARRAY_SIZE(arguments); i++) {
		expect(HANDOVER_ARGUMENT, NULL, 0, arguments[i], strlen(arguments[i]));
		argv[1 + i] = strdup(arguments[i]);
	}
	assert_int_equal(options_read(&options, (int)ARRAY_SIZE(arguments) + 1, argv, problem,
	                         sizeof(problem)),
	        OPTIONS_READ);
	options_free(&options);
	for (size_t i = 0; i < ARRAY_SIZE(arguments); i++)
		free(argv[1 + i]);
}

static void
expect_version_1(void)
{
	struct handover_record end;

	expect(HANDOVER_DAEMON, &daemon_state, sizeof(daemon_state), NULL, 0);
	expect_arguments();
	expect_counters();
	for (size_t i = 0; i < ARRAY_SIZE(listeners); i++)
		expect(HANDOVER_LISTENER, &listeners[i], sizeof(listeners[i]), "", 0);
	for (size_t i = 0; i < ARRAY_SIZE(connections); i++)
		expect(HANDOVER_CONNECTION, &connections[i], sizeof(connections[i]), held[i],
		        strlen(held[i]));
	expect(HANDOVER_TOKENS, &tokens, sizeof(tokens), slots, sizeof(slots));
	assert_false(handover_next(&handover, &offset, &end));
}

static void
every_version_is_read(void **state)
{
	static void (*const expect_version[])(void) = {NULL, expect_version_1};

	(void)state;
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		skip();
	assert_int_equal(ARRAY_SIZE(expect_version), HANDOVER_VERSION + 1);
	for (int version = 1; version <= HANDOVER_VERSION; version++) {
		char path[4096], problem[256];
		int state_fd;

		snprintf(path, sizeof(path), "%s/state-%d", GOLDEN, version);
		state_fd = open(path, O_RDONLY | O_CLOEXEC);
		if (state_fd < 0)
			fail_msg("%s is missing: docs/releasing.md says how to make it", path);
		assert_int_equal(handover_open(&handover, state_fd, problem, sizeof(problem)), 0);
		close(state_fd);
		offset = 0;
		expect_version[version]();
		handover_free(&handover);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_version_is_read)};

	return argc > 1 ? write_golden(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
