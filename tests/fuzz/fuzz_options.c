/* Any command line of the three programs: read or refused in one line, with every number within
 * its bounds, and the same when read again. */
#include "fuzz.h"

#include "echod/bench/options.h"
#include "echod/client/options.h"
#include "echod/options.h"

enum {
	MOST_ARGUMENTS = 32,
	PROBLEM_SIZE = 512,
};

/* As main() has it, and once more for getopt, which puts operands behind options. */
struct line {
	int argc;
	char *argv[MOST_ARGUMENTS + 2], *order[MOST_ARGUMENTS + 2];
	char problem[PROBLEM_SIZE];
};

/* --help and --version are long, and of no interest here. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	EXPECT(freopen("/dev/null", "w", stdout));
	return 0;
}

static void
begin(struct line *line)
{
	memcpy(line->order, line->argv, sizeof(line->order));
	memset(line->problem, 0xff, sizeof(line->problem));
}

static void
expect_explained(const struct line *line, enum option_outcome outcome)
{
	if (outcome != OPTIONS_WRONG && outcome != OPTIONS_FAILED)
		return;
	EXPECT(memchr(line->problem, '\0', sizeof(line->problem)));
	EXPECT(line->problem[0] != '\0');
}

/* Every number is within what --help promises, by the table. */
static void
expect_bounds(const struct options *options)
{
	for (size_t i = 0; i < options_table.n_specs; i++) {
		const struct option_spec *spec = &options_table.specs[i];
		uint64_t value;

		if (spec->kind != OPTION_COUNT && spec->kind != OPTION_TIME &&
		        spec->kind != OPTION_SIZE)
			continue;
		memcpy(&value, (const char *)options + spec->offset, sizeof(value));
		EXPECT((value >= spec->min && value <= spec->max) ||
		        (value == 0 && (spec->zero_too || !spec->preset)));
	}
}

static void
expect_consistent(const struct options *o)
{
	char text[ADDRESS_TEXT_SIZE];

	expect_bounds(o);
	for (size_t i = 0; i < o->listen.count; i++) {
		const struct listen_address *listen = &o->listen.addresses[i];

		EXPECT(address_format(&listen->address, text, sizeof(text)) == text);
		EXPECT(listen->has_port || address_port(&listen->address) == o->port);
	}
	for (size_t i = 0; i < o->udp_allowed.count; i++)
		EXPECT(o->udp_allowed.ports[i] > 0);
	EXPECT(o->tcp || o->udp);
}

static void
read_daemon(struct line *line)
{
	char first_problem[PROBLEM_SIZE];
	enum option_outcome outcome;
	struct options first, again;

	begin(line);
	outcome = options_read(&first, line->argc, line->order, line->problem, PROBLEM_SIZE);
	expect_explained(line, outcome);
	memcpy(first_problem, line->problem, sizeof(first_problem));
	if (outcome == OPTIONS_READ)
		expect_consistent(&first);

	begin(line);
	EXPECT(options_read(&again, line->argc, line->order, line->problem, PROBLEM_SIZE) ==
	        outcome);
	EXPECT(outcome != OPTIONS_WRONG || strcmp(line->problem, first_problem) == 0);
	EXPECT(first.settings.count == again.settings.count);
	EXPECT(first.listen.count == again.listen.count);
	EXPECT(!options_listening(&first) == !options_listening(&again));
	options_free(&first);
	options_free(&again);
}

static void
read_client(struct line *line)
{
	struct client_options options;

	begin(line);
	expect_explained(line, client_options_read(&options, line->argc, line->order, line->problem,
	                               PROBLEM_SIZE));
}

static void
read_bench(struct line *line)
{
	struct bench_options options;

	begin(line);
	expect_explained(line,
	        bench_options_read(&options, line->argc, line->order, line->problem, PROBLEM_SIZE));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	uint8_t program = input_byte(&input);
	struct line line = {.argc = 1, .argv = {strdup("echo")}};

	EXPECT(line.argv[0]);
	while (input.left > 0 && line.argc <= MOST_ARGUMENTS)
		line.argv[line.argc++] = input_text(&input);
	switch (program % 4) {
	case 0:
		read_client(&line);
		break;
	case 1:
		read_bench(&line);
		break;
	default:
		read_daemon(&line);
		break;
	}
	for (int i = 0; i < line.argc; i++)
		free(line.argv[i]);
	return 0;
}
