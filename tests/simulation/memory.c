#include "memory.h"

#include "calls.h"

#include <stdlib.h>
#include <sys/mman.h>

static int64_t allocations, mappings;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *memory, size_t length);

int64_t
memory_allocations(void)
{
	return allocations;
}

int64_t
memory_mappings(void)
{
	return mappings;
}

WRAP(void *, malloc, size_t size)
{
	allocations++;
	return __real_malloc(size);
}

WRAP(void *, calloc, size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

WRAP(void *, realloc, void *memory, size_t size)
{
	allocations += !memory;
	return __real_realloc(memory, size);
}

WRAP(void, free, void *memory)
{
	allocations -= memory != NULL;
	__real_free(memory);
}

WRAP(void *, mmap, void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	mappings++;
	return __real_mmap(at, length, protection, flags, fd, offset);
}

WRAP(int, munmap, void *memory, size_t length)
{
	mappings--;
	return __real_munmap(memory, length);
}
