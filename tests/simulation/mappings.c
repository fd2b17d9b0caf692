#include "mappings.h"

#include "calls.h"
#include "clock.h"
#include "faults.h"
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

enum {
	SLOTS = 8,       /* of each order */
	ORDERS = 30,     /* a mapping of order n takes up to 2^n bytes */
	ENTRIES = 4096,  /* looked at together */
	ZERO_MOST = 256, /* pages: if more have been touched, new ones from the kernel cost less */
	PRESENT_OR_SWAPPED = 3,
};

/* The slots of order n begin at SLOTS << n: those of most runs are the same ones. */
static struct {
	unsigned char *arena;
	size_t page;
	int pagemap_fd;
	size_t lengths[ORDERS][SLOTS]; /* of what is mapped; 0: nothing */
	uint32_t count;
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
	size_t size = (size_t)SLOTS << ORDERS;

	state.page = (size_t)sysconf(_SC_PAGESIZE);
	state.pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	state.arena = __real_mmap(NULL, size, PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	expect(state.arena != MAP_FAILED && state.pagemap_fd >= 0, "no memory to map: %s",
	        strerror(errno));
	__real_madvise(state.arena, size, MADV_NOHUGEPAGE);
}

static unsigned char *
slot_at(unsigned order, unsigned slot)
{
	return state.arena + ((size_t)(SLOTS + slot) << order);
}

/* The smallest order that leaves a page unused behind so many bytes. */
static unsigned
order_of(size_t length)
{
	unsigned order = 64 - (unsigned)__builtin_clzll(length + state.page);

	expect(order < ORDERS, "mmap of %zu bytes: too much for the model", length);
	return order;
}

/* Calls each(), if there is one, for every page in a range that has been touched
 * (proc_pid_pagemap(5)). Returns how many there are. */
static size_t
for_touched(unsigned char *memory, size_t length, void (*each)(unsigned char *page))
{
	static uint64_t entries[ENTRIES];
	size_t pages = (length + state.page - 1) / state.page, touched = 0;

	for (size_t first = 0, n; first < pages; first += n) {
		size_t place = (uintptr_t)memory / state.page + first, size;

		n = pages - first < ENTRIES ? pages - first : ENTRIES;
		size = n * sizeof(entries[0]);
		expect(pread(state.pagemap_fd, entries, size,
		               (off_t)(place * sizeof(entries[0]))) == (ssize_t)size,
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

	for (unsigned order = 0; order < ORDERS; order++)
		for (unsigned i = 0; i < SLOTS; i++)
			if (state.lengths[order][i])
				pages += for_touched(
				        slot_at(order, i), state.lengths[order][i], NULL);
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

WRAP(void *, mmap, void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	unsigned order, slot = 0;
	unsigned char *memory;
	int error;

	if (!calls_simulated())
		return __real_mmap(at, length, protection, flags, fd, offset);
	if (fd >= 0)
		return calls_map_state(fd, length);
	expect(!at && protection == (PROT_READ | PROT_WRITE) && (flags & MAP_ANONYMOUS) &&
	                (flags & MAP_PRIVATE) && fd == -1 && offset == 0 && length > 0,
	        "mmap of something else than memory");
	expect(calls_starting(), "mmap in the middle of a run");
	error = fault(CALL_MAP);
	trace("mmap", (int64_t)length, 0, -error);
	if (error) {
		errno = error;
		return MAP_FAILED;
	}
	if (!state.arena)
		make_arena();
	order = order_of(length);
	while (slot < SLOTS && state.lengths[order][slot])
		slot++;
	expect(slot < SLOTS, "mmap of %zu bytes: too many for the model", length);
	state.lengths[order][slot] = length;
	state.count++;
	memory = slot_at(order, slot);
	ASAN_UNPOISON_MEMORY_REGION(memory, length);
	ASAN_POISON_MEMORY_REGION(memory + length, state.page);
	return memory;
}

WRAP(int, munmap, void *memory, size_t length)
{
	unsigned order, slot = 0;

	if (!calls_simulated())
		return __real_munmap(memory, length);
	if (calls_unmap_state(memory))
		return 0;
	order = order_of(length);
	while (slot < SLOTS && slot_at(order, slot) != memory)
		slot++;
	expect(slot < SLOTS && state.lengths[order][slot] == length,
	        "munmap of %zu bytes that are not mapped", length);
	state.lengths[order][slot] = 0;
	state.count--;
	/* the next run finds it as if it had not been used */
	if (for_touched(memory, length, NULL) > ZERO_MOST)
		__real_madvise(memory, length, MADV_DONTNEED);
	else
		for_touched(memory, length, zero_page);
	ASAN_POISON_MEMORY_REGION(memory, length);
	return 0;
}

/* Memory that is not needed any more is zero when it is looked at again. */
WRAP(int, madvise, void *memory, size_t length, int advice)
{
	int error = fault(CALL_ADVISE);

	trace("madvise", (int64_t)length, advice, -error);
	expect(advice == MADV_DONTNEED || advice == MADV_DONTDUMP || advice == MADV_NOHUGEPAGE,
	        "madvise of %d", advice);
	if (advice == MADV_DONTNEED && error == 0)
		zero(memory, length);
	return (int)answer(-error);
}

void
mappings_drop(void)
{
	for (unsigned order = 0; order < ORDERS; order++)
		for (unsigned slot = 0; slot < SLOTS; slot++)
			if (state.lengths[order][slot])
				__wrap_munmap(slot_at(order, slot), state.lengths[order][slot]);
}
