#include "files.h"

#include "trace.h"

#include <errno.h>
#include <string.h>

static struct {
	struct file all[FILES_MOST];
	int lowest;  /* no descriptor below it is free */
	int highest; /* none from it on was ever used */
	uint32_t limit, count;
} state;

void
files_begin(uint32_t limit)
{
	memset(state.all, 0, (size_t)state.highest * sizeof(state.all[0]));
	state.highest = state.lowest = 0;
	state.limit = limit;
	for (int fd = 0; fd <= 2; fd++)
		files_open(FILE_STANDARD);
	state.count = 0;
}

void
files_set_limit(uint32_t limit)
{
	state.limit = limit;
}

int
files_open(enum file_kind kind)
{
	int fd = state.lowest;
	struct file *file;

	while (state.all[fd].kind != FILE_NONE)
		fd++;
	state.lowest = fd;
	if ((uint32_t)fd >= state.limit || fd == FILES_MOST - 1)
		return -EMFILE;
	file = &state.all[fd];
	*file = (struct file){.kind = kind, .queued = file->queued};
	if (fd >= state.highest)
		state.highest = fd + 1;
	state.count++;
	return fd;
}

struct file *
files_at(int fd)
{
	return &state.all[fd];
}

int
files_end(void)
{
	return state.highest;
}

struct file *
files_any(int fd, const char *call)
{
	expect(fd >= 0 && fd < state.highest && state.all[fd].kind != FILE_NONE,
	        "%s: descriptor %d is not open", call, fd);
	return &state.all[fd];
}

struct file *
files_get(int fd, enum file_kind kind, const char *call)
{
	struct file *file = files_any(fd, call);

	expect(file->kind == kind, "%s: descriptor %d is of kind %d, not %d", call, fd,
	        (int)file->kind, (int)kind);
	return file;
}

void
files_close(int fd)
{
	state.all[fd].kind = FILE_NONE;
	state.all[fd].watched = false;
	state.count--;
	if (fd < state.lowest)
		state.lowest = fd;
}

uint32_t
files_count(void)
{
	return state.count;
}
