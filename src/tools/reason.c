#include "echod/tools/reason.h"

#include <errno.h>
#include <string.h>

const char *
reason_of(int error)
{
	switch (error) {
	case -EPIPE:
		return "closed by the peer";
	case -ECANCELED:
		return "stopped";
	case -EBADMSG:
		return "more came back than was sent";
	default:
		return strerror(-error);
	}
}
