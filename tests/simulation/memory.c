#include "memory.h"

#include "calls.h"
#include "clock.h"
#include "faults.h"
#include "mappings.h"
#include "trace.h"

#include <malloc.h>
#include <stdlib.h>

enum {
	LIVE_MOST = 4096,
};

static struct {
	int64_t allocations, bytes;
	void *live[LIVE_MOST]; /* allocated since the beginning of the run */
	size_t n_live;
} state;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t n, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);

int64_t
memory_allocations(void)
{
	return state.allocations;
}

uint64_t
memory_resident(void)
{
	return (uint64_t)state.bytes + mappings_resident();
}

static void *
count(void *memory)
{
	state.allocations += memory != NULL;
	state.bytes += (int64_t)malloc_usable_size(memory);
	if (memory) {
		expect(state.n_live < LIVE_MOST, "too many allocations for the model");
		state.live[state.n_live++] = memory;
	}
	return memory;
}

static void
discount(void *memory)
{
	state.allocations -= memory != NULL;
	state.bytes -= (int64_t)malloc_usable_size(memory);
	for (size_t i = state.n_live; memory && i-- > 0;) {
		if (state.live[i] != memory)
			continue;
		state.live[i] = state.live[--state.n_live];
		break;
	}
}

void
memory_begin(void)
{
	state.n_live = 0;
}

void
memory_drop(void)
{
	while (state.n_live > 0) {
		void *memory = state.live[state.n_live - 1];

		discount(memory);
		__real_free(memory);
	}
}

WRAP(void *, malloc, size_t size)
{
	return count(__real_malloc(size));
}

/* The daemon's own: libev calls realloc(3), and has its own way to end when that fails. */
WRAP(void *, calloc, size_t n, size_t size)
{
	int error = calls_simulated() ? fault(CALL_ALLOCATE) : 0;

	expect(calls_starting() || !calls_simulated(), "calloc in the middle of a run");
	if (error) {
		errno = error;
		return NULL;
	}
	return count(__real_calloc(n, size));
}

WRAP(void *, realloc, void *memory, size_t size)
{
	discount(memory);
	return count(__real_realloc(memory, size));
}

WRAP(void *, reallocarray, void *memory, size_t n, size_t size)
{
	discount(memory);
	return count(__real_reallocarray(memory, n, size));
}

WRAP(char *, strdup, const char *text)
{
	return count(__real_strdup(text));
}

WRAP(void, free, void *memory)
{
	discount(memory);
	__real_free(memory);
}
