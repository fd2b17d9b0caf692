#include "test.h"

#include "capture.h"
#include "echod/log.h"
#include "fake_clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
lines_that_are_urgent_enough(void **state)
{
	static struct log_limit limit;
	int fd = capture_file();

	(void)state;
	capture_begin(fd);
	log_line(LOG_INFO, "LISTEN: proto=%s port=%d", "tcp", 50007);
	log_line(LOG_DEBUG, "b");
	log_set_threshold(LOG_NOTICE);
	log_line(LOG_NOTICE, "%s", "");
	log_line(LOG_INFO, "d");
	log_limited(&limit, LOG_INFO, "e"); /* neither written nor counted */
	log_limited(&limit, LOG_WARNING, "f");
	log_set_threshold(LOG_DEBUG);
	log_line(LOG_DEBUG, "g");
	log_set_threshold(LOG_INFO);
	assert_int_equal(capture_end(), 0);
	assert_int_equal(limit.suppressed, 0);
	assert_string_equal(capture_contents(fd), "LISTEN: proto=tcp port=50007\n\nf\ng\n");
}

static void
the_journal_gets_priorities(void **state)
{
	/* what is added to the file's own device and inode, and what is written nevertheless */
	const struct {
		unsigned device, inode;
		const char *instead;
		bool journal;
	} samples[] = {{0, 0, NULL, true}, {1, 0, NULL, false}, {0, 1, NULL, false},
	        {0, 0, "", false}, {0, 0, ":", false}, {0, 0, "8", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		int fd = capture_file();
		struct stat status;
		char stream[64];

		assert_int_equal(fstat(fd, &status), 0);
		snprintf(stream, sizeof(stream), "%llu:%llu",
		        (unsigned long long)status.st_dev + samples[i].device,
		        (unsigned long long)status.st_ino + samples[i].inode);
		setenv("JOURNAL_STREAM", samples[i].instead ? samples[i].instead : stream, 1);
		capture_begin(fd);
		log_line(LOG_INFO, "info");
		log_line(LOG_ERR, "error\n");
		assert_int_equal(capture_end(), 0);
		assert_string_equal(capture_contents(fd),
		        samples[i].journal ? "<6>info\n<3>error?\n" : "info\nerror?\n");
	}
	unsetenv("JOURNAL_STREAM");
}

static void
control_characters_become_question_marks(void **state)
{
	int fd = capture_file();

	(void)state;
	capture_begin(fd);
	log_line(LOG_INFO, "%s", "a\nb\rc\td\x1b[31me\x7f\x01\x1f ~");
	log_line(LOG_INFO, "%s", "gr\xc3\xbc\xc3\x9f");
	capture_end();
	assert_string_equal(capture_contents(fd), "a?b?c?d?[31me??? ~\ngr\xc3\xbc\xc3\x9f\n");
}

/* A pipe takes no more than 4096 bytes whole; the count of the suppressed is never cut off. */
static void
long_lines_are_cut(void **state)
{
	static char text[10000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (int suppressed = 0; suppressed < 2; suppressed++) {
		struct log_limit limit = {.suppressed = suppressed ? UINT64_MAX : 0};
		const char *tail = suppressed ? " suppressed=18446744073709551615\n" : "\n";
		int fd = capture_file();
		const char *line;
		size_t length;

		capture_begin(fd);
		log_limited(&limit, LOG_INFO, "%s", text);
		log_line(LOG_INFO, "next");
		capture_end();
		line = capture_contents(fd);
		length = (size_t)(strchr(line, '\n') + 1 - line);
		assert_in_range(length, 4000, 4096);
		assert_int_equal(strspn(line, "x"), length - strlen(tail));
		assert_memory_equal(line + length - strlen(tail), tail, strlen(tail));
		assert_string_equal(line + length, "next\n");
	}
	/* every length around the cut comes out as a whole line */
	for (size_t length = 4000; length < 4200; length++) {
		int fd = capture_file();
		const char *line;

		capture_begin(fd);
		log_line(LOG_INFO, "%.*s", (int)length, text);
		capture_end();
		line = capture_contents(fd);
		assert_true(strspn(line, "x") == length || strspn(line, "x") > 4050);
		assert_string_equal(line + strspn(line, "x"), "\n");
	}
}

static void
a_kind_of_line_comes_once_a_second(void **state)
{
	struct log_limit limit = {0}, other = {0};
	int fd = capture_file();

	(void)state;
	capture_begin(fd);
	for (int i = 0; i < 5; i++)
		log_limited(&limit, LOG_INFO, "line %d", i);
	log_limited(&other, LOG_INFO, "other");
	fake_clock_ns += NS_PER_S - 1;
	log_limited(&limit, LOG_INFO, "line 5");
	fake_clock_ns += 1;
	log_limited(&limit, LOG_INFO, "line 6");
	log_limited(&limit, LOG_INFO, "line 7");
	fake_clock_ns += 100 * NS_PER_S;
	log_limited(&limit, LOG_INFO, "line 8");
	log_limited(&limit, LOG_INFO, "line 9"); /* however long it was quiet: one */
	fake_clock_ns += NS_PER_S;
	log_limited(&other, LOG_INFO, "other");
	assert_int_equal(capture_end(), 0);
	assert_int_equal(limit.suppressed, 1);
	assert_string_equal(capture_contents(fd), "line 0\n"
	                                          "other\n"
	                                          "line 6 suppressed=5\n"
	                                          "line 8 suppressed=1\n"
	                                          "other\n");
}

static void
interrupted_writes_are_repeated(void **state)
{
	int fd = capture_file();

	(void)state;
	capture_begin(fd);
	capture.interrupts = 3;
	log_line(LOG_INFO, "a");
	assert_int_equal(capture_end(), 0);
	assert_int_equal(capture.interrupts, 0);
	assert_string_equal(capture_contents(fd), "a\n");
}

static void
closing_leaves_nothing_behind(void **state)
{
	int ends[2], before, after;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	capture_begin(ends[1]);
	log_line(LOG_INFO, "a");
	before = dup(STDIN_FILENO); /* the lowest that is free */
	log_close();
	after = dup(STDIN_FILENO);
	capture_end();
	close(before);
	close(after);
	assert_true(after < before);
	assert_string_equal(capture_receive(ends[0]), "a\n");
	close(ends[0]);
	close(ends[1]);
}

static void
closing_counts_the_lost_lines_from_0_again(void **state)
{
	(void)state;
	capture_begin(-1);
	log_line(LOG_INFO, "a");
	assert_int_equal(capture_end(), 1);
	assert_int_equal(log_lost(), 0);
}

static void
values_are_quoted_where_logfmt_needs_it(void **state)
{
	static const char *const samples[][2] = {
	        {"eof", "eof"},
	        {"[2001:db8::1%2]:50007", "[2001:db8::1%2]:50007"},
	        {"", "\"\""},
	        {"Too many open files", "\"Too many open files\""},
	        {"family=0", "\"family=0\""},
	        {"a\"b", "\"a\\\"b\""},
	        {"a\\b", "\"a\\\\b\""},
	};
	char text[LOG_VALUE_SIZE], much[2 * LOG_VALUE_SIZE];
	struct address address = {.length = sizeof(address.local)};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		assert_string_equal(log_value(samples[i][0], text), samples[i][1]);
	/* cut, and closed nevertheless */
	for (size_t shift = 0; shift < 2; shift++) {
		memset(much, '"', sizeof(much) - 1);
		much[sizeof(much) - 1] = '\0';
		much[0] = shift ? 'x' : '"';
		assert_in_range(
		        strlen(log_value(much, text)), LOG_VALUE_SIZE - 4, LOG_VALUE_SIZE - 1);
		assert_string_equal(text + strlen(text) - 3, "\\\"\"");
	}
	/* the longest address of all */
	address.local.sun_family = AF_UNIX;
	memset(address.local.sun_path, '"', sizeof(address.local.sun_path));
	assert_int_equal(
	        strlen(log_address(&address, text)), 2 + 2 * sizeof(address.local.sun_path));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(lines_that_are_urgent_enough),
	        cmocka_unit_test(the_journal_gets_priorities),
	        cmocka_unit_test(control_characters_become_question_marks),
	        cmocka_unit_test(long_lines_are_cut),
	        cmocka_unit_test(a_kind_of_line_comes_once_a_second),
	        cmocka_unit_test(interrupted_writes_are_repeated),
	        cmocka_unit_test(closing_leaves_nothing_behind),
	        cmocka_unit_test(closing_counts_the_lost_lines_from_0_again),
	        cmocka_unit_test(values_are_quoted_where_logfmt_needs_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
