#include "mappings.h"

#include "calls.h"
#include "trace.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, length)
#define ASAN_UNPOISON_MEMORY_REGION(memory, length)
#endif

#define ARENA_SIZE ((size_t)1 << 32)

enum {
	MAPPINGS_MOST = 64,
	ENTRIES = 4096,
	CLEAN_MOST = 1024, /* pages: more of them are faster thrown away than zeroed */
	PRESENT_OR_SWAPPED = 3,
};

struct mapping {
	unsigned char *memory; /* NULL: given back */
	size_t length;
};

static struct {
	unsigned char *arena;
	size_t used; /* bytes */
	size_t page;
	int pagemap_fd;
	struct mapping all[MAPPINGS_MOST];
	uint32_t n, count;
} state;

void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *memory, size_t length);
int __real_madvise(void *memory, size_t length, int advice);

uint32_t
mappings_count(void)
{
	return state.count;
}

static void
make_arena(void)
{
	state.page = (size_t)sysconf(_SC_PAGESIZE);
	state.pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	state.arena = __real_mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	expect(state.arena != MAP_FAILED && state.pagemap_fd >= 0, "no memory to map: %s",
	        strerror(errno));
	__real_madvise(state.arena, ARENA_SIZE, MADV_NOHUGEPAGE);
}

/* Calls each(), if there is one, for every page in a range that has been touched
 * (proc_pid_pagemap(5)). Returns how many there are. */
static size_t
for_touched(unsigned char *memory, size_t length, void (*each)(unsigned char *page))
{
	static uint64_t entries[ENTRIES];
	size_t pages = (length + state.page - 1) / state.page, touched = 0;

	for (size_t first = 0, n; first < pages; first += n) {
		size_t size;

		n = pages - first < ENTRIES ? pages - first : ENTRIES;
		size = n * sizeof(entries[0]);
		expect(pread(state.pagemap_fd, entries, size,
		               (off_t)(((uintptr_t)memory / state.page + first) *
		                       sizeof(entries[0]))) == (ssize_t)size,
		        "/proc/self/pagemap: %s", strerror(errno));
		for (size_t i = 0; i < n; i++) {
			if (!(entries[i] >> 62 & PRESENT_OR_SWAPPED))
				continue;
			touched++;
			if (each)
				each(memory + (first + i) * state.page);
		}
	}
	return touched;
}

uint64_t
mappings_resident(void)
{
	size_t pages = 0;

	for (uint32_t i = 0; i < state.n; i++)
		if (state.all[i].memory)
			pages += for_touched(state.all[i].memory, state.all[i].length, NULL);
	return pages * state.page;
}

static void
zero(unsigned char *memory, size_t length)
{
	ASAN_UNPOISON_MEMORY_REGION(memory, length);
	memset(memory, 0, length);
}

static void
zero_page(unsigned char *page)
{
	zero(page, state.page);
}

/* All is given back: the next run finds it as if nobody had used it. */
static void
clean(void)
{
	if (for_touched(state.arena, state.used, zero_page) > CLEAN_MOST)
		__real_madvise(state.arena, state.used, MADV_DONTNEED);
	ASAN_POISON_MEMORY_REGION(state.arena, state.used);
	state.used = 0;
	state.n = 0;
}

WRAP(void *, mmap, void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	unsigned char *memory;
	size_t room;

	if (!calls_simulated())
		return __real_mmap(at, length, protection, flags, fd, offset);
	if (!state.arena)
		make_arena();
	memory = state.arena + state.used;
	/* an unused page lies between two mappings */
	room = (length + state.page - 1) / state.page * state.page + state.page;
	expect(!at && protection == (PROT_READ | PROT_WRITE) && (flags & MAP_ANONYMOUS) &&
	                (flags & MAP_PRIVATE) && fd == -1 && offset == 0,
	        "mmap of something else than memory");
	expect(state.n < MAPPINGS_MOST && room <= ARENA_SIZE - state.used,
	        "mmap of %zu bytes: too much for the model", length);
	ASAN_UNPOISON_MEMORY_REGION(memory, length);
	ASAN_POISON_MEMORY_REGION(memory + length, room - length);
	state.used += room;
	state.all[state.n++] = (struct mapping){memory, length};
	state.count++;
	return memory;
}

WRAP(int, munmap, void *memory, size_t length)
{
	uint32_t i = 0;

	if (!calls_simulated())
		return __real_munmap(memory, length);
	while (i < state.n && state.all[i].memory != memory)
		i++;
	expect(i < state.n, "munmap of what is not mapped");
	expect(state.all[i].length == length, "munmap of %zu bytes, not %zu", length,
	        state.all[i].length);
	ASAN_POISON_MEMORY_REGION(memory, length);
	state.all[i].memory = NULL;
	if (--state.count == 0)
		clean();
	return 0;
}

/* Memory that is not needed any more is zero when it is looked at again. */
WRAP(int, madvise, void *memory, size_t length, int advice)
{
	unsigned char *from = memory;

	expect(from >= state.arena && from + length <= state.arena + state.used,
	        "madvise of what is not mapped");
	expect(advice == MADV_DONTNEED || advice == MADV_DONTDUMP || advice == MADV_NOHUGEPAGE,
	        "madvise of %d", advice);
	if (advice == MADV_DONTNEED)
		zero(from, length);
	return 0;
}
