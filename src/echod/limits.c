#include "echod/limits.h"

#include <sys/resource.h>

enum {
	DEFAULT_CONNECTIONS =
	        100000, /* when the file limit allows more: memory is reserved a slot */
};

uint32_t
limits_connections(uint64_t asked)
{
	struct rlimit files = {0};
	uint64_t wanted = asked ? asked : DEFAULT_CONNECTIONS, room;

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
		getrlimit(RLIMIT_NOFILE, &files);
	}
	room = files.rlim_cur > LIMITS_RESERVED_FILES ? files.rlim_cur - LIMITS_RESERVED_FILES : 0;
	return (uint32_t)(wanted < room ? wanted : room);
}
