#include "calls.h"
#include "faults.h"
#include "files.h"
#include "oracle.h"
#include "random.h"
#include "trace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STATE_MOST = 64 * 1024 * 1024,
};

/* One reload at a time. */
static struct {
	unsigned char *bytes;
	size_t size;
} state;

void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
int __real_fstat(int fd, struct stat *status);

WRAP(int, memfd_create, const char *name, unsigned flags)
{
	int fd = files_open(FILE_STATE);

	expect(flags == 0, "memfd_create of %s with flags %x", name, flags);
	if (!state.bytes)
		state.bytes = __real_mmap(NULL, STATE_MOST, PROT_READ | PROT_WRITE,
		        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	state.size = 0;
	trace("memfd_create", 0, 0, fd);
	return (int)answer(fd);
}

ssize_t
calls_write_state(const void *bytes, size_t size)
{
	size_t now = (size_t)fault_cut(size);

	expect(size <= STATE_MOST - state.size, "a state of more than %d bytes", STATE_MOST);
	memcpy(state.bytes + state.size, bytes, now);
	state.size += now;
	return (ssize_t)now;
}

WRAP(int, fstat, int fd, struct stat *status)
{
	if (!calls_simulated())
		return __real_fstat(fd, status);
	files_get(fd, FILE_STATE, "fstat");
	*status = (struct stat){.st_size = (off_t)state.size};
	return 0;
}

void *
calls_map_state(int fd, size_t length)
{
	files_get(fd, FILE_STATE, "mmap");
	expect(length == state.size, "mmap of %zu bytes of the state", length);
	return state.bytes;
}

bool
calls_unmap_state(const void *memory)
{
	return memory == state.bytes;
}

WRAP(int, execve, const char *path, char *const *argv, char *const *environment)
{
	const char *fd = getenv("ECHOD_STATE_FD");

	expect(path[0] == '/' && argv && environment == environ && fd, "execve of %s", path);
	files_get((int)strtol(fd, NULL, 10), FILE_STATE, "execve");
	oracle_on_progress();
	if (random_one_in(4)) {
		trace("execve", 0, 0, -ENOENT);
		return (int)answer(-ENOENT);
	}
	trace("execve", (int64_t)state.size, 0, 0);
	calls_execute();
	calls_close_on_exec();
	calls_on_execute();
}
