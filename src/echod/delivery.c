#include "echod/delivery.h"

#include <errno.h>
#include <netinet/in.h>
/* glibc's netinet/tcp.h has a struct tcp_info without tcpi_bytes_acked */
#include <linux/tcp.h>
#include <sys/socket.h>

/* The state in struct tcp_info (TCP_CLOSE in netinet/tcp.h) after RST or too many retransmissions,
 * or after both FINs are acknowledged. */
enum {
	STATE_CLOSED = 7,
};

/* The error that ended the connection is pending on the socket, unless a call has returned it. */
static int
death_of(int peer_fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(peer_fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 || error == 0)
		return -ECONNRESET;
	return -error;
}

/* Whatever is not known (an older kernel, another family) is taken for delivered. */
static int
ask_kernel(int peer_fd, uint64_t sent, uint32_t *acked)
{
	struct tcp_info info = {.tcpi_bytes_acked = UINT64_MAX};
	socklen_t length = sizeof(info);

	if (getsockopt(peer_fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ||
	        info.tcpi_bytes_acked >= sent) { /* a FIN acknowledged counts as a byte */
		*acked = (uint32_t)sent;
		return DELIVERY_COMPLETE;
	}
	*acked = (uint32_t)info.tcpi_bytes_acked;
	return info.tcpi_state == STATE_CLOSED ? death_of(peer_fd) : DELIVERY_OUTSTANDING;
}

int
delivery_check(struct delivery *delivery, int peer_fd, uint64_t sent, uint32_t now,
        uint32_t *waiting_ticks)
{
	uint32_t acked = delivery->acked;
	int state = DELIVERY_COMPLETE;

	/* nothing sent since all was seen acknowledged: no need to ask */
	if (acked != (uint32_t)sent)
		state = ask_kernel(peer_fd, sent, &acked);
	*waiting_ticks = 0;
	if (state != DELIVERY_OUTSTANDING) {
		*delivery = (struct delivery){.acked = acked};
		return state;
	}
	if (delivery->waiting_since == 0 || acked != delivery->acked)
		delivery->waiting_since = now + 1;
	delivery->acked = acked;
	*waiting_ticks = now + 1 - delivery->waiting_since;
	return state;
}
