/*
 * Counts the allocations of the program that it is preloaded into (LD_PRELOAD), in the first eight
 * bytes of the file named by ALLOC_COUNT, where a test reads them while the program runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
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

static _Atomic uint64_t uncounted;
static _Atomic uint64_t *counter = &uncounted;

__attribute__((constructor)) static void
alloc_count_start(void)
{
	const char *path = getenv("ALLOC_COUNT");
	int file_fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (file_fd < 0)
		return;
	void *shared = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, file_fd, 0);
	if (shared != MAP_FAILED)
		counter = shared;
	close(file_fd);
}

static void
count(void)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void *
malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

void *
calloc(size_t members, size_t size)
{
	count();
	return __libc_calloc(members, size);
}

void *
realloc(void *old, size_t size)
{
	count();
	return __libc_realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

int
posix_memalign(void **memory, size_t alignment, size_t size)
{
	count();
	*memory = __libc_memalign(alignment, size);
	return *memory != NULL ? 0 : ENOMEM;
}
