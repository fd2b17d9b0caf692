#include "mapped.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

struct mapped mapped;

void *__wrap_calloc(size_t count, size_t size);
int __wrap_getentropy(void *buffer, size_t size);
void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t length);
void *__real_calloc(size_t count, size_t size);
int __real_getentropy(void *buffer, size_t size);
void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t length);

int
mapped_reset(void **state)
{
	(void)state;
	mapped = (struct mapped){0};
	errno = 0;
	return 0;
}

static bool
fails(int error)
{
	if (++mapped.calls != mapped.failing)
		return false;
	errno = mapped.error = error;
	return true;
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails(ENOMEM) ? NULL : __real_calloc(count, size);
}

int
__wrap_getentropy(void *buffer, size_t size)
{
	if (fails(ENOSYS))
		return -1;
	mapped.keys++;
	return __real_getentropy(buffer, size);
}

/* In whole pages, and one more. */
static size_t
with_guard(size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (length + page - 1) / page * page + page;
}

void *
__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	size_t whole = with_guard(length), page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory;

	if (fails(EAGAIN))
		return MAP_FAILED;
	memory = __real_mmap(at, whole, protection, flags, fd, offset);
	if (memory == MAP_FAILED)
		return memory;
	mprotect(memory + whole - page, page, PROT_NONE);
	mapped.now++;
	return memory;
}

int
__wrap_munmap(void *at, size_t length)
{
	int result = __real_munmap(at, with_guard(length));

	mapped.now--;
	errno = 0; /* whatever errno(3) allows */
	return result;
}
