#include "memory.h"

#include "calls.h"
#include "trace.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	MAPPINGS_MOST = 64,
};

static struct {
	int64_t allocations, bytes;
	int64_t mappings;
	struct {
		void *memory;
		size_t length;
	} maps[MAPPINGS_MOST];
} state;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *memory, size_t length);

int64_t
memory_allocations(void)
{
	return state.allocations;
}

int64_t
memory_mappings(void)
{
	return state.mappings;
}

static uint64_t
resident(void *memory, size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (length + page - 1) / page;
	unsigned char *pages = __real_malloc(n);
	uint64_t bytes = 0;

	expect(pages && mincore(memory, length, pages) == 0, "mincore");
	for (size_t i = 0; i < n; i++)
		bytes += pages[i] & 1 ? page : 0;
	__real_free(pages);
	return bytes;
}

uint64_t
memory_resident(void)
{
	uint64_t bytes = (uint64_t)state.bytes;

	for (size_t i = 0; i < MAPPINGS_MOST; i++)
		if (state.maps[i].memory)
			bytes += resident(state.maps[i].memory, state.maps[i].length);
	return bytes;
}

static void *
count(void *memory)
{
	state.allocations += memory != NULL;
	state.bytes += (int64_t)malloc_usable_size(memory);
	return memory;
}

static void
discount(void *memory)
{
	state.allocations -= memory != NULL;
	state.bytes -= (int64_t)malloc_usable_size(memory);
}

WRAP(void *, malloc, size_t size)
{
	return count(__real_malloc(size));
}

WRAP(void *, calloc, size_t n, size_t size)
{
	return count(__real_calloc(n, size));
}

WRAP(void *, realloc, void *memory, size_t size)
{
	discount(memory);
	return count(__real_realloc(memory, size));
}

WRAP(void, free, void *memory)
{
	discount(memory);
	__real_free(memory);
}

WRAP(void *, mmap, void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	void *memory = __real_mmap(at, length, protection, flags, fd, offset);
	size_t i = 0;

	while (i < MAPPINGS_MOST && state.maps[i].memory)
		i++;
	expect(memory != MAP_FAILED && i < MAPPINGS_MOST, "mmap");
	state.maps[i].memory = memory;
	state.maps[i].length = length;
	state.mappings++;
	return memory;
}

WRAP(int, munmap, void *memory, size_t length)
{
	for (size_t i = 0; i < MAPPINGS_MOST; i++)
		if (state.maps[i].memory == memory) {
			expect(state.maps[i].length == length, "munmap of %zu bytes, not %zu",
			        length, state.maps[i].length);
			state.maps[i].memory = NULL;
			state.mappings--;
		}
	return __real_munmap(memory, length);
}
