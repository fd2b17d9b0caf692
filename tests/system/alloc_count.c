/*
 * Counts the allocations of the program that it is preloaded into (LD_PRELOAD), in the file named
 * by ALLOC_COUNT, where a test reads them while the program runs; and lets some of them fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own names of what is replaced here: unlike dlsym(), they allocate nothing themselves. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

/* What the file holds; zeroes where it ends before. */
struct account {
	_Atomic uint64_t count;
	_Atomic int64_t live;          /* allocated and not freed */
	uint64_t fail_from, fail_upto; /* allocations that fail, the first is 1; 0: none */
};

static struct account nobodys;
static struct account *account = &nobodys;

__attribute__((constructor)) static void
alloc_count_start(void)
{
	const char *path = getenv("ALLOC_COUNT");
	int file_fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (file_fd < 0)
		return;
	void *shared = mmap(NULL, sizeof(*account), PROT_READ | PROT_WRITE, MAP_SHARED, file_fd, 0);
	if (shared != MAP_FAILED)
		account = shared;
	close(file_fd);
}

static bool
refuses(void)
{
	uint64_t number = atomic_fetch_add_explicit(&account->count, 1, memory_order_relaxed) + 1;

	if (number < account->fail_from || number > account->fail_upto)
		return false;
	errno = ENOMEM;
	return true;
}

static void *
take(void *memory)
{
	if (memory)
		atomic_fetch_add_explicit(&account->live, 1, memory_order_relaxed);
	return memory;
}

static void
give(const void *memory)
{
	if (memory)
		atomic_fetch_sub_explicit(&account->live, 1, memory_order_relaxed);
}

void *
malloc(size_t size)
{
	return refuses() ? NULL : take(__libc_malloc(size));
}

void *
calloc(size_t members, size_t size)
{
	return refuses() ? NULL : take(__libc_calloc(members, size));
}

void *
realloc(void *old, size_t size)
{
	if (refuses())
		return NULL;
	give(old);
	return take(__libc_realloc(old, size));
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return refuses() ? NULL : take(__libc_memalign(alignment, size));
}

int
posix_memalign(void **memory, size_t alignment, size_t size)
{
	void *more = refuses() ? NULL : take(__libc_memalign(alignment, size));

	if (!more)
		return ENOMEM;
	*memory = more;
	return 0;
}

void
free(void *memory)
{
	give(memory);
	__libc_free(memory);
}
