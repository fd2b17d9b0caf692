#include "echod/udp_requests.h"

#include "echod/pool.h"

#include <errno.h>

/* Makes message i ready to receive into again: recvmmsg() has changed these. */
static void
rearm_message(struct udp_requests *requests, size_t i)
{
	requests->messages[i].msg_hdr.msg_namelen = sizeof(requests->from[i].storage);
	requests->messages[i].msg_hdr.msg_controllen = requests->control_size;
}

struct udp_requests *
udp_requests_new(void)
{
	struct udp_requests *requests = pool_map(sizeof(*requests));

	for (size_t i = 0; requests && i < UDP_BATCH; i++) {
		requests->iovecs[i] = (struct iovec){requests->bytes[i], UDP_REQUEST_SIZE};
		requests->messages[i].msg_hdr = (struct msghdr){
		        .msg_name = &requests->from[i].storage,
		        .msg_iov = &requests->iovecs[i],
		        .msg_iovlen = 1,
		        .msg_control = requests->cmsgs[i].bytes,
		};
		rearm_message(requests, i);
	}
	return requests;
}

void
udp_requests_free(struct udp_requests *requests)
{
	pool_unmap(requests, sizeof(*requests));
}

int
udp_requests_receive(struct udp_requests *requests, int fd, size_t control_size)
{
	/* Only what the last batch used has changed. */
	size_t n_changed = requests->control_size == control_size ? requests->count : UDP_BATCH;
	int received;

	requests->control_size = control_size;
	for (size_t i = 0; i < n_changed; i++)
		rearm_message(requests, i);
	requests->count = 0;
	received = recvmmsg(fd, requests->messages, UDP_BATCH, MSG_DONTWAIT, NULL);
	if (received < 0)
		return -errno;
	requests->count = (size_t)received;
	for (size_t i = 0; i < requests->count; i++)
		requests->from[i].length = requests->messages[i].msg_hdr.msg_namelen;
	return received;
}
