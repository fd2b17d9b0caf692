#include "echod/limits.h"

#include <errno.h>
#include <sys/resource.h>

enum {
	DEFAULT_CONNECTIONS =
	        100000,       /* when the file limit allows more: memory is reserved a slot */
	USUAL_LISTENERS = 16, /* that LIMITS_RESERVED_FILES has room for */
};

void
limits_raise(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= files.rlim_max)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

uint64_t
limits_files(void)
{
	struct rlimit files = {0};

	getrlimit(RLIMIT_NOFILE, &files);
	return files.rlim_cur;
}

uint32_t
limits_connections(uint64_t asked, size_t listeners)
{
	struct rlimit files = {0};
	uint64_t wanted = asked ? asked : DEFAULT_CONNECTIONS, reserved = LIMITS_RESERVED_FILES;
	uint64_t room;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	if (listeners > USUAL_LISTENERS)
		reserved += listeners - USUAL_LISTENERS;
	room = files.rlim_cur > reserved ? files.rlim_cur - reserved : 0;
	if (room == 0)
		errno = EMFILE;
	return (uint32_t)(wanted < room ? wanted : room);
}
