#include "test.h"

#include "echod/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void
names_and_values_in_the_order_of_the_table(void **state)
{
	struct stats stats;
	char text[STATS_TEXT_SIZE], expected[STATS_TEXT_SIZE] = "";
	unsigned long long value = 1000;

	(void)state;
#define FILL(name, ...) stats.name = value++;
	STATS_TABLE(FILL)
#define EXPECT(name, ...)                                                                          \
	snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%s%s=%llu",    \
	        value > 1000 ? " " : "", #name, value);                                            \
	value++;
	value = 1000;
	STATS_TABLE(EXPECT)
	assert_ptr_equal(stats_format(&stats, text, sizeof(text)), text);
	assert_string_equal(text, expected);
	assert_memory_equal(text, "tcp_open=1000 tcp_limit=1001 tcp_accepted=1002 ", 47);
}

static void
every_value_has_room(void **state)
{
	struct stats stats;
	char text[STATS_TEXT_SIZE];
	static const char end[] = " log_lost=18446744073709551615";

	(void)state;
	memset(&stats, 0xff, sizeof(stats));
	stats_format(&stats, text, sizeof(text));
	assert_true(strlen(text) < sizeof(text) - 1);
	assert_string_equal(text + strlen(text) - strlen(end), end);
}

static void
text_is_cut_to_size(void **state)
{
	const struct stats stats = {.tcp_open = 12345};
	char whole[STATS_TEXT_SIZE], text[STATS_TEXT_SIZE];

	(void)state;
	stats_format(&stats, whole, sizeof(whole));
	for (size_t size = 1; size <= strlen(whole) + 1; size++) {
		memset(text, '#', sizeof(text));
		stats_format(&stats, text, size);
		assert_int_equal(strlen(text), size - 1);
		assert_memory_equal(text, whole, size - 1);
		assert_int_equal(text[size], '#');
	}
}

static void
refused_replies_by_errno(void **state)
{
	static const struct {
		int error;
		size_t offset;
	} samples[] = {
	        {EAGAIN, offsetof(struct stats, udp_failed_again)},
	        {ENOBUFS, offsetof(struct stats, udp_failed_memory)},
	        {ENOMEM, offsetof(struct stats, udp_failed_memory)},
	        {EPERM, offsetof(struct stats, udp_failed_permission)},
	        {EACCES, offsetof(struct stats, udp_failed_permission)},
	        {ENETUNREACH, offsetof(struct stats, udp_failed_unreachable)},
	        {EHOSTUNREACH, offsetof(struct stats, udp_failed_unreachable)},
	        {ENETDOWN, offsetof(struct stats, udp_failed_unreachable)},
	        {EHOSTDOWN, offsetof(struct stats, udp_failed_unreachable)},
	        {ECONNREFUSED, offsetof(struct stats, udp_failed_unreachable)},
	        {EMSGSIZE, offsetof(struct stats, udp_failed_size)},
	};

	(void)state;
	for (int error = 0; error <= EHWPOISON; error++) {
		struct stats stats = {0}, expected = {0};
		size_t offset = offsetof(struct stats, udp_failed_other);

		for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
			if (samples[i].error == error)
				offset = samples[i].offset;
		*(uint64_t *)(void *)((char *)&expected + offset) = 2;
		stats_count_send_error(&stats, error, 1);
		stats_count_send_error(&stats, error, 1);
		assert_memory_equal(&stats, &expected, sizeof(stats)); /* that one alone */
	}
}

/* Returns how many lines of the text begin like this. */
static size_t
lines_beginning(const char *text, const char *beginning)
{
	size_t count = 0;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		count += strncmp(line, beginning, strlen(beginning)) == 0;
	return count;
}

static void
families_are_exposed_as_a_whole(void **state)
{
	static const char head[] = "# HELP echod_build_info The version of the daemon, as a label\n"
	                           "# TYPE echod_build_info gauge\n"
	                           "echod_build_info{version=\"" ECHOD_VERSION "\"} 1\n"
	                           "# HELP echod_connections Connections open now\n"
	                           "# TYPE echod_connections gauge\n"
	                           "echod_connections 1000\n";
	/* one after the other, although the table has others between them */
	static const char format[] = "# HELP echod_received_bytes_total Bytes received\n"
	                             "# TYPE echod_received_bytes_total counter\n"
	                             "echod_received_bytes_total{protocol=\"tcp\"} %" PRIu64 "\n"
	                             "echod_received_bytes_total{protocol=\"udp\"} %" PRIu64 "\n"
	                             "# HELP echod_sent_bytes_total Bytes sent back\n";
	char bytes[sizeof(format) + 2 * 20];
	char text[STATS_EXPOSITION_SIZE];
	struct stats stats;
	unsigned long long value = 1000;
	size_t rows = 0, length;

	(void)state;
	STATS_TABLE(FILL)
	snprintf(bytes, sizeof(bytes), format, stats.tcp_received_bytes, stats.udp_received_bytes);
	length = stats_exposition(&stats, text);
	assert_int_equal(length, strlen(text));
	assert_memory_equal(text, head, strlen(head));
	assert_non_null(strstr(text, bytes));
#define EXPOSE(name, family, type, label, help)                                                    \
	assert_int_equal(lines_beginning(text, "# TYPE " family " " type "\n"), 1);                \
	assert_int_equal(lines_beginning(text, "# HELP " family " "), 1);                          \
	assert_true(strcmp(type, "gauge") == 0 || strcmp(type, "counter") == 0);                   \
	assert_int_equal(strcmp(type, "counter") == 0,                                             \
	        strcmp(&(family)[strlen(family) - strlen("_total")], "_total") == 0);              \
	rows++;
	STATS_TABLE(EXPOSE)
	assert_int_equal(lines_beginning(text, "echod_"), rows + 1);
	assert_int_equal(lines_beginning(text, "# HELP "), lines_beginning(text, "# TYPE "));
}

static void
every_value_has_room_in_the_exposition(void **state)
{
	struct stats stats;
	char text[STATS_EXPOSITION_SIZE];
	size_t length;
	static const char end[] = "echod_log_lines_lost_total 18446744073709551615\n";

	(void)state;
	memset(&stats, 0xff, sizeof(stats));
	length = stats_exposition(&stats, text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text + strlen(text) - strlen(end), end);
}

/* Names of another version are passed over. */
static void
what_was_formatted_is_read(void **state)
{
	static const char other[] = "tcp=1 tcp_open=7 tcp_openly=2 stopping=18446744073709551615 x";
	struct stats stats, again = {0};
	char text[STATS_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(stats) / sizeof(uint64_t); i++)
		memcpy((uint64_t *)(void *)&stats + i, &(uint64_t){UINT64_MAX - i}, 8);
	stats_format(&stats, text, sizeof(text));
	stats_parse(&again, text, strlen(text));
	assert_memory_equal(&stats, &again, sizeof(stats));
	again = (struct stats){.tcp_limit = 3};
	stats_parse(&again, other, strlen(other));
	stats = (struct stats){.tcp_limit = 3, .tcp_open = 7, .stopping = UINT64_MAX};
	assert_memory_equal(&stats, &again, sizeof(stats));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(names_and_values_in_the_order_of_the_table),
	        cmocka_unit_test(every_value_has_room),
	        cmocka_unit_test(text_is_cut_to_size),
	        cmocka_unit_test(what_was_formatted_is_read),
	        cmocka_unit_test(families_are_exposed_as_a_whole),
	        cmocka_unit_test(every_value_has_room_in_the_exposition),
	        cmocka_unit_test(refused_replies_by_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
