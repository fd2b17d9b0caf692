#include "echod/udp.h"

#include "echod/common/clock.h"
#include "echod/gate.h"
#include "echod/log.h"
#include "echod/udp_cmsg.h"
#include "echod/udp_filter.h"
#include "echod/udp_replies.h"
#include "echod/udp_requests.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	LOOPBACK_IFINDEX = 1, /* in every network namespace */
	/* What a datagram of a few bytes takes of a receive buffer (its truesize). */
	SMALL_DATAGRAM_CHARGE = 832,
};

struct udp_socket {
	struct gate_watcher watcher;
	size_t control_size; /* 0 for UNIX sockets */
	bool can_coalesce;
	uint64_t cookie; /* socket(7): equal for descriptors of one socket; 0: not known */
	struct listener *listener;
};

struct udp {
	struct gate gate;
	struct stats *stats;
	const struct options *options;
	struct udp_requests *requests;
	struct udp_replies replies;
	struct source_tokens *tokens;
	const struct address *excess; /* in this batch, one without enough tokens, or NULL */
	struct udp_filter_ports ports;
	struct log_limit excess_limit, fail_limit, full_limit;
	size_t n_sockets;
	struct udp_socket sockets[];
};

static enum udp_filter_verdict
judge_request(const struct udp *udp, size_t i, const struct in6_addr *source,
        const struct udp_arrival *arrival)
{
	const struct udp_filter_datagram datagram = {
	        .source = *source,
	        .destination = arrival->destination,
	        .local = arrival->local,
	        .source_port = address_port(&udp->requests->from[i]),
	        /* without all of the control messages, boundaries and addresses are not known */
	        .truncated =
	                udp->requests->messages[i].msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC),
	        /* 0: queued before the socket was handed over, past the check for martians */
	        .on_loopback = arrival->interface == LOOPBACK_IFINDEX || arrival->interface == 0,
	};

	return udp_filter_verdict(&udp->ports, &datagram);
}

static void
count_refused(struct stats *stats, enum udp_filter_verdict verdict, uint32_t count)
{
	static const size_t counters[] = {
	        [UDP_FILTER_TRUNCATED] = offsetof(struct stats, udp_refused_truncated),
	        [UDP_FILTER_SOURCE] = offsetof(struct stats, udp_refused_source),
	        [UDP_FILTER_DESTINATION] = offsetof(struct stats, udp_refused_destination),
	        [UDP_FILTER_PORT] = offsetof(struct stats, udp_refused_port),
	};

	*(uint64_t *)(void *)((char *)stats + counters[verdict]) += count;
}

/* Cuts the train to what its source can pay for. Returns whether anything is left. */
static bool
pay_for_train(struct udp *udp, const struct address *from, const struct in6_addr *source,
        struct train *train, uint64_t now_ns)
{
	uint32_t count = train_count(train);
	uint32_t paid = source_tokens_take(udp->tokens, source, train, now_ns);

	if (paid == count)
		return true;
	udp->excess = from;
	if (udp->options->udp_rate_log_only) {
		udp->stats->udp_rate_exceeded += count - paid;
		return true;
	}
	udp->stats->udp_refused_rate += count - paid;
	train->length = paid * train->segment;
	return paid > 0;
}

/* An internet datagram, or a train of them. */
static void
answer_request(struct udp *udp, size_t i, const struct in6_addr *source, uint64_t now_ns)
{
	struct udp_requests *requests = udp->requests;
	struct mmsghdr *message = &requests->messages[i];
	struct address *from = &requests->from[i];
	const struct udp_arrival arrival = udp_cmsg_read(&message->msg_hdr, source);
	struct train train = {.length = message->msg_len, .segment = arrival.segment};
	enum udp_filter_verdict verdict = judge_request(udp, i, source, &arrival);

	udp->stats->udp_received += train_count(&train);
	udp->stats->udp_received_bytes += train.length;
	if (verdict != UDP_FILTER_ANSWER) {
		count_refused(udp->stats, verdict, train_count(&train));
	} else if (pay_for_train(udp, from, source, &train, now_ns)) {
		const struct udp_departure departure =
		        udp_cmsg_departure(&arrival, source, udp->options->dscp);

		udp_replies_add(&udp->replies, from, requests->bytes[i], &train, &departure);
	}
}

/* Another family's (UNIX): its source cannot be forged, and one without a name has no answer. */
static void
answer_local_request(struct udp *udp, size_t i)
{
	struct udp_requests *requests = udp->requests;
	const struct mmsghdr *message = &requests->messages[i];
	const struct train single = {.length = message->msg_len};

	udp->stats->udp_received++;
	udp->stats->udp_received_bytes += single.length;
	if (message->msg_hdr.msg_flags & MSG_TRUNC)
		count_refused(udp->stats, UDP_FILTER_TRUNCATED, 1);
	else if (requests->from[i].length <= offsetof(struct sockaddr, sa_data))
		count_refused(udp->stats, UDP_FILTER_SOURCE, 1);
	else
		udp_replies_add(
		        &udp->replies, &requests->from[i], requests->bytes[i], &single, NULL);
}

/* Once a batch, because to put an address into words costs as much as to echo. */
static void
log_excess(struct udp *udp, const struct address *from)
{
	char text[LOG_VALUE_SIZE];

	log_limited(&udp->excess_limit, LOG_NOTICE, "%s: proto=udp from=%s reason=udp-rate",
	        udp->options->udp_rate_log_only ? "EXCEED" : "REFUSE", log_address(from, text));
}

static void
pause_receiving(struct udp *udp, const char *reason)
{
	char text[LOG_VALUE_SIZE];

	log_limited(&udp->fail_limit, LOG_WARNING, "PAUSE: proto=udp pause_ms=%d reason=%s",
	        GATE_PAUSE_MS, log_value(reason, text));
	gate_pause(&udp->gate);
}

static void
handle_receive_error(struct udp *udp, int error)
{
	if (error == EAGAIN || error == EINTR)
		return;
	udp->stats->udp_receive_errors++;
	if (error != ECONNREFUSED) /* ip(7): what an earlier datagram met, told once */
		pause_receiving(udp, strerror(error));
}

static void
log_full_buffer(struct udp *udp, uint64_t dropped)
{
	if (dropped > 0)
		log_limited(&udp->full_limit, LOG_WARNING,
		        "DROP: proto=udp replies=%llu reason=send-buffer-full",
		        (unsigned long long)dropped);
}

static void
answer_batch(struct udp *udp, const struct udp_socket *socket)
{
	uint64_t now_ns = udp->options->udp_rate > 0 ? clock_now_ns() : 0;
	uint64_t failed = udp->stats->udp_failed_again;

	udp->excess = NULL;
	udp_replies_begin(&udp->replies, socket->can_coalesce);
	for (size_t i = 0; i < udp->requests->count; i++) {
		const struct address *from = &udp->requests->from[i];
		struct in6_addr source;

		if (from->length > 0 && address_as_ipv6(from, &source))
			answer_request(udp, i, &source, now_ns);
		else
			answer_local_request(udp, i);
	}
	if (udp->excess)
		log_excess(udp, udp->excess);
	udp_replies_send(&udp->replies, socket->watcher.io.fd, udp->stats);
	log_full_buffer(udp, udp->stats->udp_failed_again - failed);
}

/* At most one batch an iteration: datagrams never keep connections waiting. */
static void
udp_on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct udp_socket *socket = (struct udp_socket *)watcher;
	struct udp *udp = watcher->data;
	int received;

	(void)loop;
	if (events & EV_ERROR) { /* epoll refused the socket: the watcher is stopped (ev(3)) */
		pause_receiving(udp, "epoll does not take the socket");
		return;
	}
	received = udp_requests_receive(udp->requests, watcher->fd, socket->control_size);
	if (received < 0)
		handle_receive_error(udp, -received);
	else
		answer_batch(udp, socket);
}

/* Whatever the options say: the daemon would talk to itself. */
static void
refuse_own_port(struct udp *udp, uint16_t port)
{
	const struct port_list *allowed = &udp->options->udp_allowed;

	for (size_t i = 0; i < allowed->count; i++)
		if (allowed->ports[i] == port)
			log_line(LOG_WARNING,
			        "IGNORE: option=udp-allow-source-port value=%u "
			        "reason=\"this daemon answers on it\"",
			        port);
	udp_filter_ports_refuse(&udp->ports, port);
}

static void
set_refused_ports(struct udp *udp, const struct listeners *listeners)
{
	const struct options *options = udp->options;

	udp_filter_ports_init(&udp->ports);
	for (size_t i = 0; i < options->udp_allowed.count; i++)
		udp_filter_ports_allow(&udp->ports, options->udp_allowed.ports[i]);
	for (size_t i = 0; i < options->udp_refused.count; i++)
		udp_filter_ports_refuse(&udp->ports, options->udp_refused.ports[i]);
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->all[i].type == SOCK_DGRAM)
			refuse_own_port(udp, address_port(&listeners->all[i].address));
}

static void
warn_of_small_buffer(const struct listener *listener)
{
	char text[LOG_VALUE_SIZE];
	int bytes = 0;
	socklen_t length = sizeof(bytes);

	if (getsockopt(listener->listen_fd, SOL_SOCKET, SO_RCVBUF, &bytes, &length) < 0 ||
	        bytes >= 2 * LISTENER_RECEIVE_BUFFER) /* socket(7): twice what was set */
		return;
	log_line(LOG_WARNING,
	        "BUFFER: proto=%s address=%s bytes=%d wanted_bytes=%d burst_datagrams=%d "
	        "hint=\"ReceiveBuffer= in systemd.socket(5), or the sysctl net.core.rmem_max\"",
	        address_protocol(&listener->address, listener->type),
	        log_address(&listener->address, text), bytes / 2, LISTENER_RECEIVE_BUFFER,
	        bytes / SMALL_DATAGRAM_CHARGE);
}

static bool
is_served(const struct udp *udp, uint64_t cookie)
{
	for (size_t i = 0; i < udp->n_sockets; i++)
		if (udp->sockets[i].cookie == cookie)
			return true;
	return false;
}

static void
add_socket(struct udp *udp, struct listener *listener)
{
	struct udp_socket *socket = &udp->sockets[udp->n_sockets];
	int family = listener->address.any.sa_family;
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	/* A socket that was handed over twice would have its drops counted twice. */
	if (getsockopt(listener->listen_fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 &&
	        is_served(udp, cookie))
		return;
	socket->cookie = cookie;
	socket->listener = listener;
	udp->n_sockets++;
	if (family == AF_INET || family == AF_INET6) {
		socket->control_size = sizeof(struct udp_cmsg);
		/* A segment size of the socket's own would cut every reply. */
		socket->can_coalesce = setsockopt(listener->listen_fd, IPPROTO_UDP, UDP_SEGMENT,
		                               &(int){0}, sizeof(int)) == 0 &&
		                       udp->options->udp_offload;
		warn_of_small_buffer(listener);
	}
	ev_io_init(&socket->watcher.io, udp_on_readable, listener->listen_fd, EV_READ);
	socket->watcher.io.data = udp;
	gate_add(&udp->gate, &socket->watcher);
}

struct udp *
udp_new(struct ev_loop *loop, struct stats *stats, const struct options *options,
        struct listeners *listeners)
{
	struct udp *udp = calloc(1, sizeof(*udp) + listeners->count * sizeof(struct udp_socket));

	if (!udp)
		return NULL;
	udp->stats = stats;
	udp->options = options;
	gate_init(&udp->gate, loop);
	udp->requests = udp_requests_new();
	udp->tokens = source_tokens_new(
	        options->udp_rate, options->udp_exempt.prefixes, options->udp_exempt.count);
	if (!udp->requests || !udp->tokens) {
		int error = errno;

		udp_free(udp);
		errno = error;
		return NULL;
	}
	set_refused_ports(udp, listeners);
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->all[i].type == SOCK_DGRAM)
			add_socket(udp, &listeners->all[i]);
	return udp;
}

void
udp_free(struct udp *udp)
{
	if (!udp)
		return;
	gate_stop(&udp->gate);
	source_tokens_free(udp->tokens);
	udp_requests_free(udp->requests);
	free(udp);
}

/* SO_RXQ_OVFL would tell only beside a datagram that comes later. */
void
udp_update_stats(struct udp *udp)
{
	for (size_t i = 0; i < udp->n_sockets; i++) {
		struct udp_socket *socket = &udp->sockets[i];
		uint32_t info[SK_MEMINFO_VARS] = {0};
		socklen_t length = sizeof(info);

		if (getsockopt(socket->watcher.io.fd, SOL_SOCKET, SO_MEMINFO, info, &length) < 0 ||
		        length < sizeof(info))
			continue;
		udp->stats->kernel_drops += info[SK_MEMINFO_DROPS] - socket->listener->drops;
		socket->listener->drops = info[SK_MEMINFO_DROPS];
	}
}

struct source_tokens *
udp_tokens(struct udp *udp)
{
	return udp->tokens;
}
