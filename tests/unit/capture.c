#include "capture.h"

#include "echod/log.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct capture capture;
static int real_stderr;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *buffer, size_t size);
ssize_t __wrap_write(int fd, const void *buffer, size_t size);

int
__wrap_open(const char *path, int flags, ...)
{
	if (!capture.no_proc)
		return __real_open(path, flags);
	errno = ENOENT;
	return -1;
}

ssize_t
__wrap_write(int fd, const void *buffer, size_t size)
{
	if (capture.interrupts == 0)
		return __real_write(fd, buffer, size);
	capture.interrupts--;
	errno = EINTR;
	return -1;
}

void
capture_begin(int fd)
{
	real_stderr = dup(STDERR_FILENO);
	if (fd < 0)
		close(STDERR_FILENO);
	else
		dup2(fd, STDERR_FILENO);
	log_open();
}

uint64_t
capture_end(void)
{
	uint64_t lost = log_lost(); /* closing forgets it */

	log_close();
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	return lost;
}

int
capture_file(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_true(fd >= 0);
	unsetenv("JOURNAL_STREAM");
	return fd;
}

const char *
capture_contents(int fd)
{
	ssize_t n = pread(fd, capture.got, sizeof(capture.got) - 1, 0);

	assert_true(n >= 0);
	capture.got[n] = '\0';
	close(fd);
	return capture.got;
}

const char *
capture_receive(int fd)
{
	size_t length = 0;
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((n = read(fd, capture.got + length, sizeof(capture.got) - 1 - length)) > 0)
		length += (size_t)n;
	capture.got[length] = '\0';
	return capture.got;
}
