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
	case -EADDRINUSE:
		return "no free source port";
	case -EADDRNOTAVAIL:
		return "the source address is none of this host";
	default:
		return strerror(-error);
	}
}
