#include "echod/datagram.h"

#include "echod/common/clock.h"
#include "echod/control.h"
#include "echod/log.h"
#include "echod/loop.h"
#include "echod/pool.h"
#include "echod/reflector.h"
#include "echod/replies.h"
#include "echod/sources.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	BATCH = REPLIES_MOST,
	/* No datagram is larger: 65507 bytes over IPv4, 65527 over IPv6; nor is a train. */
	DATAGRAM_SIZE = 65536,
	/* 64 KiB apart, the beginnings of all buffers would share a few lines of the cache. */
	DATAGRAM_STRIDE = DATAGRAM_SIZE + 3 * 64,
	PAUSE_MS = 100,
	LOOPBACK_IFINDEX = 1, /* in every network namespace */
	/* What a datagram of a few bytes takes of a receive buffer (its truesize). */
	SMALL_DATAGRAM_CHARGE = 832,
};

/* One batch, used by all sockets in turn. */
struct batch {
	struct mmsghdr in[BATCH];
	struct iovec iovecs[BATCH];
	struct address from[BATCH];
	struct control controls[BATCH];
	size_t control_room;          /* bytes of each that may be used now */
	const struct address *excess; /* one whose tokens did not suffice, or NULL */
	struct replies replies;
	unsigned char bytes[BATCH][DATAGRAM_STRIDE];
};

struct datagram_socket {
	struct ev_io watcher;
	size_t control_room;
	uint32_t drops; /* the kernel's counter when it was last read */
};

struct datagrams {
	struct ev_loop *loop;
	struct stats *stats;
	const struct options *options;
	struct batch *batch;
	struct source_tokens *tokens;
	struct reflector_ports ports;
	struct log_limit excess_limit, fail_limit;
	struct ev_timer hurry, pause; /* after a failure that would be tried without an end */
	size_t n_sockets;
	struct datagram_socket sockets[];
};

/* Makes message i of the batch ready to receive into again: what recvmmsg() has changed of it. */
static void
rearm(struct batch *batch, size_t i)
{
	batch->in[i].msg_hdr.msg_namelen = sizeof(batch->from[i].storage);
	batch->in[i].msg_hdr.msg_controllen = batch->control_room;
}

/* Descriptors that a UNIX peer attaches become ours where there is room for control messages. */
static void
fit_control_room(struct batch *batch, const struct datagram_socket *socket)
{
	if (batch->control_room == socket->control_room)
		return;
	batch->control_room = socket->control_room;
	for (size_t i = 0; i < BATCH; i++)
		rearm(batch, i);
}

static struct batch *
batch_new(void)
{
	struct batch *batch = pool_map(sizeof(*batch));

	for (size_t i = 0; batch && i < BATCH; i++) {
		batch->iovecs[i] = (struct iovec){batch->bytes[i], DATAGRAM_SIZE};
		batch->in[i].msg_hdr = (struct msghdr){
		        .msg_name = &batch->from[i].storage,
		        .msg_iov = &batch->iovecs[i],
		        .msg_iovlen = 1,
		        .msg_control = batch->controls[i].bytes,
		};
		rearm(batch, i);
	}
	return batch;
}

static enum reflector_verdict
judge(const struct datagrams *datagrams, const struct msghdr *message, const struct address *from,
        const struct in6_addr *source, const struct arrival *arrival)
{
	const struct reflector_datagram datagram = {
	        .source = *source,
	        .hit = arrival->hit,
	        .local = arrival->local,
	        .source_port = address_port(from),
	        /* without all of the control messages, boundaries and addresses are not known */
	        .truncated = message->msg_flags & (MSG_TRUNC | MSG_CTRUNC),
	        /* 0: queued before the socket was handed over, past the check for martians */
	        .on_loopback = arrival->interface == LOOPBACK_IFINDEX || arrival->interface == 0,
	};

	return reflector_verdict(&datagrams->ports, &datagram);
}

static void
count_refused(struct stats *stats, enum reflector_verdict verdict, uint32_t count)
{
	static const size_t counters[] = {
	        [REFLECTOR_TRUNCATED] = offsetof(struct stats, udp_refused_truncated),
	        [REFLECTOR_SOURCE] = offsetof(struct stats, udp_refused_source),
	        [REFLECTOR_DESTINATION] = offsetof(struct stats, udp_refused_destination),
	        [REFLECTOR_PORT] = offsetof(struct stats, udp_refused_port),
	};

	*(uint64_t *)(void *)((char *)stats + counters[verdict]) += count;
}

/* Cuts the train to what its source can pay for. Returns whether anything is left. */
static bool
pay(struct datagrams *datagrams, const struct address *from, const struct in6_addr *source,
        struct train *train, uint64_t now_ns)
{
	uint32_t count = train_count(train);
	uint32_t paid = sources_take(datagrams->tokens, source, train, now_ns);

	if (paid == count)
		return true;
	datagrams->batch->excess = from;
	if (datagrams->options->udp_rate_log_only) {
		datagrams->stats->udp_rate_exceeded += count - paid;
		return true;
	}
	datagrams->stats->udp_refused_rate += count - paid;
	train->length = paid * train->segment;
	return paid > 0;
}

/* An internet datagram, or a train of them. */
static void
reflect(struct datagrams *datagrams, size_t i, const struct in6_addr *source, uint64_t now_ns)
{
	struct batch *batch = datagrams->batch;
	struct stats *stats = datagrams->stats;
	struct msghdr *message = &batch->in[i].msg_hdr;
	const struct arrival arrival = control_read(message, source);
	struct train train = {.length = batch->in[i].msg_len, .segment = arrival.segment};
	enum reflector_verdict verdict =
	        judge(datagrams, message, &batch->from[i], source, &arrival);

	stats->udp_received += train_count(&train);
	stats->udp_received_bytes += train.length;
	if (verdict != REFLECTOR_ANSWER)
		count_refused(stats, verdict, train_count(&train));
	else if (pay(datagrams, &batch->from[i], source, &train, now_ns))
		control_write_reply(
		        replies_add(&batch->replies, &batch->from[i], batch->bytes[i], &train),
		        &arrival, source, !datagrams->options->no_dscp);
}

/* Another family's (UNIX): nobody can forge a source, and one without a name has no answer. */
static void
reflect_local(struct datagrams *datagrams, size_t i)
{
	struct batch *batch = datagrams->batch;
	const struct train single = {.length = batch->in[i].msg_len};

	datagrams->stats->udp_received++;
	datagrams->stats->udp_received_bytes += single.length;
	if (batch->in[i].msg_hdr.msg_flags & MSG_TRUNC)
		count_refused(datagrams->stats, REFLECTOR_TRUNCATED, 1);
	else if (batch->from[i].length <= offsetof(struct sockaddr, sa_data))
		count_refused(datagrams->stats, REFLECTOR_SOURCE, 1);
	else
		replies_add(&batch->replies, &batch->from[i], batch->bytes[i], &single);
}

/* Once a batch, because to put an address into words costs as much as to echo. */
static void
log_excess(struct datagrams *datagrams, const struct address *from)
{
	char text[ADDRESS_TEXT_SIZE];

	log_limited(&datagrams->excess_limit, LOG_NOTICE, "%s: proto=udp from=%s reason=udp-rate",
	        datagrams->options->udp_rate_log_only ? "EXCEED" : "REFUSE",
	        address_format(from, text, sizeof(text)));
}

static void
pause_receiving(struct datagrams *datagrams, const char *reason)
{
	log_limited(&datagrams->fail_limit, LOG_WARNING,
	        "PAUSE: proto=udp receiving stops for %d ms: %s", PAUSE_MS, reason);
	for (size_t i = 0; i < datagrams->n_sockets; i++)
		ev_io_stop(datagrams->loop, &datagrams->sockets[i].watcher);
	ev_timer_again(datagrams->loop, &datagrams->pause);
}

static void
datagrams_on_start(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct datagrams *datagrams = timer->data;

	(void)events;
	ev_timer_stop(loop, timer);
	for (size_t i = 0; i < datagrams->n_sockets; i++)
		ev_io_start(loop, &datagrams->sockets[i].watcher);
	loop_hurry(loop, &datagrams->hurry);
}

static void
survive(struct datagrams *datagrams, int error)
{
	if (error == EAGAIN || error == EINTR)
		return;
	datagrams->stats->udp_receive_errors++;
	if (error != ECONNREFUSED) /* ip(7): what an earlier datagram met, told once */
		pause_receiving(datagrams, strerror(error));
}

/* At most one batch a turn: datagrams never keep connections waiting. */
static void
datagrams_on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct datagram_socket *socket = (struct datagram_socket *)watcher;
	struct datagrams *datagrams = watcher->data;
	struct batch *batch = datagrams->batch;
	uint64_t now_ns = 0;
	int received;

	(void)loop;
	if (events & EV_ERROR) { /* epoll refused the socket: the watcher is stopped (ev(3)) */
		pause_receiving(datagrams, "epoll does not take the socket");
		return;
	}
	fit_control_room(batch, socket);
	received = recvmmsg(watcher->fd, batch->in, BATCH, MSG_DONTWAIT, NULL);
	if (received < 0) {
		survive(datagrams, errno);
		return;
	}
	batch->excess = NULL;
	if (datagrams->options->udp_rate > 0)
		now_ns = clock_now_ns();
	for (size_t i = 0; i < (size_t)received; i++) {
		struct address *from = &batch->from[i];
		struct in6_addr source;

		from->length = batch->in[i].msg_hdr.msg_namelen;
		if (from->length > 0 && address_as_ipv6(from, &source))
			reflect(datagrams, i, &source, now_ns);
		else
			reflect_local(datagrams, i);
		rearm(batch, i);
	}
	if (batch->excess)
		log_excess(datagrams, batch->excess);
	replies_send(&batch->replies, watcher->fd, datagrams->stats);
}

/* Whatever the options say: the daemon would talk to itself. */
static void
refuse_own_port(struct datagrams *datagrams, uint16_t port)
{
	const struct port_list *allowed = &datagrams->options->udp_allowed;

	for (size_t i = 0; i < allowed->count; i++)
		if (allowed->ports[i] == port)
			log_line(LOG_WARNING,
			        "echod: --udp-allow-source-port=%u: stays refused, because this "
			        "daemon answers on it",
			        port);
	reflector_ports_refuse(&datagrams->ports, port);
}

static void
set_ports(struct datagrams *datagrams, const struct listeners *listeners)
{
	const struct options *options = datagrams->options;

	reflector_ports_init(&datagrams->ports);
	for (size_t i = 0; i < options->udp_allowed.count; i++)
		reflector_ports_allow(&datagrams->ports, options->udp_allowed.ports[i]);
	for (size_t i = 0; i < options->udp_refused.count; i++)
		reflector_ports_refuse(&datagrams->ports, options->udp_refused.ports[i]);
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->all[i].type == SOCK_DGRAM)
			refuse_own_port(datagrams, address_port(&listeners->all[i].address));
}

static void
warn_of_small_buffer(const struct listener *listener)
{
	char text[ADDRESS_TEXT_SIZE];
	int bytes = 0;
	socklen_t length = sizeof(bytes);

	if (getsockopt(listener->listen_fd, SOL_SOCKET, SO_RCVBUF, &bytes, &length) < 0 ||
	        bytes >= 2 * LISTENER_DATAGRAM_BUFFER) /* socket(7): twice what was set */
		return;
	log_line(LOG_WARNING,
	        "BUFFER: proto=%s address=%s bytes=%d wanted=%d: of a burst, about %d small datagrams "
	        "are kept; see ReceiveBuffer= in systemd.socket(5), or the sysctl "
	        "net.core.rmem_max",
	        address_protocol(&listener->address, listener->type),
	        address_format(&listener->address, text, sizeof(text)), bytes / 2,
	        LISTENER_DATAGRAM_BUFFER, bytes / SMALL_DATAGRAM_CHARGE);
}

static void
serve(struct datagrams *datagrams, const struct listener *listener)
{
	struct datagram_socket *socket = &datagrams->sockets[datagrams->n_sockets++];
	int family = listener->address.any.sa_family;

	if (family == AF_INET || family == AF_INET6) {
		socket->control_room = sizeof(struct control);
		warn_of_small_buffer(listener);
	}
	ev_io_init(&socket->watcher, datagrams_on_readable, listener->listen_fd, EV_READ);
	socket->watcher.data = datagrams;
}

struct datagrams *
datagrams_new(struct ev_loop *loop, struct stats *stats, const struct options *options,
        struct listeners *listeners)
{
	struct datagrams *datagrams =
	        calloc(1, sizeof(*datagrams) + listeners->count * sizeof(struct datagram_socket));
	const struct source_tokens_config config = {
	        .rate = options->udp_rate,
	        .exempt = options->udp_exempt.prefixes,
	        .n_exempt = options->udp_exempt.count,
	};

	if (!datagrams)
		return NULL;
	datagrams->loop = loop;
	datagrams->stats = stats;
	datagrams->options = options;
	loop_hurry_init(&datagrams->hurry);
	ev_timer_init(&datagrams->pause, datagrams_on_start, 0, PAUSE_MS / 1000.);
	datagrams->pause.data = datagrams;
	datagrams->batch = batch_new();
	if (!datagrams->batch || !(datagrams->tokens = source_tokens_new(&config))) {
		int error = errno;

		datagrams_free(datagrams);
		errno = error;
		return NULL;
	}
	set_ports(datagrams, listeners);
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->all[i].type == SOCK_DGRAM)
			serve(datagrams, &listeners->all[i]);
	datagrams_on_start(loop, &datagrams->pause, 0);
	return datagrams;
}

void
datagrams_free(struct datagrams *datagrams)
{
	if (!datagrams)
		return;
	for (size_t i = 0; i < datagrams->n_sockets; i++)
		ev_io_stop(datagrams->loop, &datagrams->sockets[i].watcher);
	ev_timer_stop(datagrams->loop, &datagrams->pause);
	ev_timer_stop(datagrams->loop, &datagrams->hurry);
	source_tokens_free(datagrams->tokens);
	pool_unmap(datagrams->batch, sizeof(*datagrams->batch));
	free(datagrams);
}

/* SO_RXQ_OVFL would tell only beside a datagram that comes later. */
void
datagrams_update_stats(struct datagrams *datagrams)
{
	for (size_t i = 0; i < datagrams->n_sockets; i++) {
		struct datagram_socket *socket = &datagrams->sockets[i];
		uint32_t info[SK_MEMINFO_VARS] = {0};
		socklen_t length = sizeof(info);

		if (getsockopt(socket->watcher.fd, SOL_SOCKET, SO_MEMINFO, info, &length) < 0 ||
		        length < sizeof(info))
			continue;
		datagrams->stats->kernel_drops +=
		        info[SK_MEMINFO_DROPS] - socket->drops; /* wraps */
		socket->drops = info[SK_MEMINFO_DROPS];
	}
}
