#include "echod/common/clock.h"
#include "echod/stat/report.h"
#include "echod/tools/timestamp.h"
#include "echod/tools/tool_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MOST_WAIT_MS = 1000, /* a daemon that takes longer does not answer */
	LINES_PER_TITLES = 20,
};

struct watch {
	uint64_t interval_ms, count; /* count 0: without end */
	bool json;
	bool finds; /* looks for sockets each time */
	struct reader reader;
	struct figures_past *pasts; /* owned; one for each of the reader's sources */
	size_t n_pasts, lines;
};

static const struct option_spec specs[] = {
        {.name = "interval",
                .letter = 'i',
                .kind = OPTION_TIME,
                .argument = "TIME",
                .preset = "1s",
                .offset = offsetof(struct watch, interval_ms),
                .min = 100,
                .max = 86400000,
                .help = "a line for each daemon this often"},
        {.name = "count",
                .letter = 'n',
                .kind = OPTION_COUNT,
                .argument = "N",
                .offset = offsetof(struct watch, count),
                .min = 1,
                .max = UINT32_MAX,
                .help = "end after N times [goes on until Ctrl-C]"},
        {.name = "json",
                .kind = OPTION_SWITCH,
                .offset = offsetof(struct watch, json),
                .help = "a JSON object on a line instead of columns"},
};

static const struct option_table table = {
        .program = "echod-stat",
        .synopsis = "[OPTION]... [SOCKET]...",
        .summary = "Shows what echo daemons do, a line for each of them and for their sum. Without "
                   "SOCKET,\nreads the stats sockets found in /run/echod.",
        .specs = specs,
        .n_specs = sizeof(specs) / sizeof(specs[0]),
};

/* Returns false without memory. */
static bool
find_daemons(struct watch *watch)
{
	struct figures_past *pasts;

	if (watch->finds && reader_find(&watch->reader) < 0)
		return false;
	if (watch->n_pasts == watch->reader.count)
		return true;
	pasts = reallocarray(watch->pasts, watch->reader.count, sizeof(*pasts));
	if (!pasts)
		return false;
	memset(pasts + watch->n_pasts, 0, (watch->reader.count - watch->n_pasts) * sizeof(*pasts));
	watch->pasts = pasts;
	watch->n_pasts = watch->reader.count;
	return true;
}

static int
name_width(const struct reader *reader)
{
	size_t width = strlen("daemon");

	for (size_t i = 0; i < reader->count; i++)
		if (strlen(reader->sources[i]->instance) > width)
			width = strlen(reader->sources[i]->instance);
	return (int)width;
}

/* Reads the daemons; says nothing about the first time, which only tells where rates begin. */
static void
show_daemons(struct watch *watch, bool is_first)
{
	const struct reader *reader = &watch->reader;
	uint64_t now_ns = clock_now_ns(), time_ns = timestamp_now_ns();
	double figures[FIGURES], sum[FIGURES] = {0};
	int width = name_width(reader);

	reader_read(&watch->reader, MOST_WAIT_MS);
	if (!is_first && !watch->json && watch->lines++ % LINES_PER_TITLES == 0)
		report_text_titles(width);
	/* The last line is the sum, where there is something to add. */
	for (size_t i = 0; i < reader->count + (reader->count > 1); i++) {
		const struct reader_source *source = i < reader->count ? reader->sources[i] : NULL;

		if (source)
			figures_update(&watch->pasts[i], source, now_ns, figures);
		if (source)
			figures_add(sum, figures);
		if (!is_first && watch->json)
			report_json(source, time_ns, source ? figures : sum);
		else if (!is_first)
			report_text(source, width, source ? figures : sum);
	}
}

static void
sleep_until(uint64_t time_ns)
{
	struct timespec time = {
	        .tv_sec = (time_t)(time_ns / NS_PER_S), .tv_nsec = (long)(time_ns % NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
		;
}

/* Returns NULL, or what is in the way. */
static const char *
watch_daemons(struct watch *watch)
{
	const uint64_t interval_ns = watch->interval_ms * NS_PER_MS;
	uint64_t next_ns = clock_now_ns();

	for (uint64_t shown = 0;; shown++) {
		if (!find_daemons(watch))
			return strerror(ENOMEM);
		if (watch->reader.count == 0)
			return "no stats socket in /run/echod; name one (echod --stats-socket=PATH)";
		show_daemons(watch, shown == 0);
		if (fflush(stdout) != 0)
			return "standard output: cannot be written";
		if (watch->count > 0 && shown == watch->count)
			return NULL;
		/* times that were slept through are left out */
		next_ns += interval_ns;
		if (next_ns < clock_now_ns())
			next_ns = clock_now_ns();
		sleep_until(next_ns);
	}
}

int
main(int argc, char **argv)
{
	struct watch watch = {0};
	const char *failure = NULL;
	char problem[512];
	int operands;
	enum option_outcome outcome = option_table_read(
	        &table, argc, argv, &watch, NULL, &operands, problem, sizeof(problem));

	if (outcome != OPTIONS_READ)
		return tool_options_explain("echod-stat", outcome, problem);
	watch.finds = operands == argc;
	for (; !failure && operands < argc; operands++)
		if (reader_add(&watch.reader, argv[operands]) < 0)
			failure = strerror(ENOMEM);
	if (!failure)
		failure = watch_daemons(&watch);
	reader_free(&watch.reader);
	free(watch.pasts);
	if (!failure)
		return EXIT_SUCCESS;
	fprintf(stderr, "echod-stat: %s\n", failure);
	return EXIT_FAILURE;
}
