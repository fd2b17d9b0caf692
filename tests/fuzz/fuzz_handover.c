/* Any bytes as the state that a program takes over: a clear error or records that are within the
 * file, and what is written again from these is read the same. */
#include "fuzz.h"

#include "echod/handover.h"

#include <sys/mman.h>
#include <unistd.h>

static struct handover_writer writer;

static int
file_of(const uint8_t *data, size_t size)
{
	int state_fd = memfd_create("fuzz", 0);

	EXPECT(state_fd >= 0);
	EXPECT(write(state_fd, data, size) == (ssize_t)size);
	return state_fd;
}

static bool
open_state(struct handover *handover, int state_fd)
{
	char problem[128] = "";
	int error = handover_open(handover, state_fd, problem, sizeof(problem));

	EXPECT((error < 0) == (problem[0] != '\0'));
	EXPECT(strlen(problem) < sizeof(problem) - 1 && !strchr(problem, '\n'));
	close(state_fd);
	return error == 0;
}

/* Reads every byte that a record has. */
static uint32_t
sum_of(const struct handover_record *record)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < record->tail_size; i++)
		sum = sum * 31 + record->tail[i];
	for (size_t i = 0; i < sizeof(record->fixed); i++)
		sum = sum * 31 + record->fixed[i];
	return sum;
}

static void
copy(const struct handover *handover)
{
	struct handover_record record;
	size_t offset = 0;
	uint32_t connections = 0;

	while (handover_next(handover, &offset, &record)) {
		const struct handover_span span = {record.tail, record.tail_size};

		EXPECT(record.tail >= handover->bytes &&
		        record.tail + record.tail_size <= handover->bytes + handover->size);
		handover_write(&writer, record.kind, record.fixed, &span, 1);
		connections += record.kind == HANDOVER_CONNECTION;
		EXPECT(record.kind != HANDOVER_CONNECTION || record.connection.peer_fd >= 0);
	}
	EXPECT(offset == handover->size);
	EXPECT(connections == handover->connections);
}

static void
expect_same(const struct handover *a, const struct handover *b)
{
	struct handover_record from_a, from_b;
	size_t at_a = 0, at_b = 0;

	while (handover_next(a, &at_a, &from_a)) {
		EXPECT(handover_next(b, &at_b, &from_b));
		EXPECT(from_a.kind == from_b.kind && from_a.tail_size == from_b.tail_size);
		EXPECT(sum_of(&from_a) == sum_of(&from_b));
	}
	EXPECT(!handover_next(b, &at_b, &from_b));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct handover handover, again;

	if (open_state(&handover, file_of(data, size))) {
		int state_fd = memfd_create("fuzz", 0);

		handover_begin(&writer, state_fd);
		copy(&handover);
		EXPECT(handover_end(&writer) == 0);
		EXPECT(open_state(&again, state_fd));
		expect_same(&handover, &again);
		handover_free(&again);
	}
	handover_free(&handover);
	return 0;
}
