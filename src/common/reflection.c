#include "echod/common/reflection.h"

enum {
	PRIVILEGED_PORTS = 1024,
	SSDP = 1900,
	NFS = 2049,
	WS_DISCOVERY = 3702,
	MDNS = 5353,
	LLMNR = 5355,
	MEMCACHED = 11211,
};

bool
reflection_port_refused(uint16_t port)
{
	switch (port) {
	case SSDP:
	case NFS:
	case WS_DISCOVERY:
	case MDNS:
	case LLMNR:
	case MEMCACHED:
		return true;
	default:
		return port < PRIVILEGED_PORTS;
	}
}
