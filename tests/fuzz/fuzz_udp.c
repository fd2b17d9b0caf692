/*
 * The echo over UDP on a kernel made up by the fuzzer: any batch of datagrams and trains, with any
 * control messages, and a kernel that takes, delays and refuses the replies as it likes. Beside it
 * stands a model (udp_model.c) of what must be answered, and how each one is counted.
 */
#include "fuzz.h"

#include "cmsg_maker.h"
#include "udp_model.h"

#include "echod/log.h"
#include "echod/udp.h"
#include "echod/udp_cmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/udp.h>
#include <time.h>

enum {
	OWN_PORT = 50007,
	BUFFER = 65536,
	BATCH = 64,
};

/* This run's. */
static struct {
	struct input input;
	struct model model;
	size_t control_room;
	bool given;                              /* the batch */
	uint8_t beside[sizeof(struct udp_cmsg)]; /* the control messages of the last datagram */
	size_t n_beside;
	int beside_flags;
} run;

static int null_fd;
static time_t now_s;

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *time);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_getentropy(void *buffer, size_t size);

/* /dev/null is none of the sockets that take UDP_SEGMENT. */
int
__wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	(void)value;
	EXPECT(fd == null_fd && level == IPPROTO_UDP && name == UDP_SEGMENT);
	EXPECT(length == sizeof(int));
	return 0;
}

/* Within a run it stands still, and no tokens come. */
int
__wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	(void)clock;
	*time = (struct timespec){.tv_sec = now_s};
	return 0;
}

/* The same slots in every run. */
int
__wrap_getentropy(void *buffer, size_t size)
{
	memset(buffer, 0, size);
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_threshold(LOG_EMERG);
	null_fd = open("/dev/null", O_RDWR);
	EXPECT(null_fd >= 0);
	model_make_bytes();
	return 0;
}

/* Where it comes from, as recvmmsg(2) says it. */
static void
make_source(struct input *input, struct arrived *arrived, struct address *from)
{
	static const uint16_t ports[] = {0, 53, 1023, 1024, 1900, 2049, 3702, 5353, 5355, 11211,
	        OWN_PORT, MODEL_REFUSED_PORT, 60000};
	uint8_t port = input_byte(input);

	input_address(input, &arrived->source, run.model.options->udp_rate > 0);
	arrived->port = port < ARRAY_SIZE(ports) ? ports[port] : (uint16_t)input_number(input, 2);
	if (IN6_IS_ADDR_V4MAPPED(&arrived->source) && port & 1) {
		*from = (struct address){
		        .length = sizeof(from->in4), .in4 = {.sin_family = AF_INET}};
		memcpy(&from->in4.sin_addr, &arrived->source.s6_addr[12], 4);
	} else {
		*from = (struct address){.length = sizeof(from->in6),
		        .in6 = {.sin6_family = AF_INET6, .sin6_addr = arrived->source}};
	}
	address_set_port(from, arrived->port);
}

/* unix(7): a path, an abstract name, or none. */
static void
make_local_source(struct input *input, struct address *from)
{
	*from = (struct address){.local = {.sun_family = AF_UNIX}};
	from->length = input_byte(input) % (sizeof(from->local) + 1);
	if (from->length < sizeof(sa_family_t))
		from->length = input_byte(input) & 1 ? sizeof(sa_family_t) : 0;
	if (from->length > sizeof(sa_family_t))
		from->local.sun_path[0] = '/';
}

/* From the same peer as the datagram before, and of the same size; those go out together. */
static void
follow(const struct arrived *before, struct arrived *arrived, struct address *from, bool same_size)
{
	*from = before->from;
	arrived->source = before->source;
	arrived->port = before->port;
	if (same_size)
		arrived->length = before->told.segment && before->told.segment < before->length
		                          ? before->told.segment
		                          : before->length;
}

static void
tell(struct msghdr *header, struct input *input, struct told *told, bool as_before)
{
	if (as_before) {
		memcpy(header->msg_control, run.beside, run.n_beside);
		header->msg_controllen = run.n_beside;
		header->msg_flags |= run.beside_flags;
		return;
	}
	control_messages_put(header, input, told);
	memcpy(run.beside, header->msg_control, header->msg_controllen);
	run.n_beside = header->msg_controllen;
	run.beside_flags = header->msg_flags & MSG_CTRUNC;
}

static void
receive(struct input *input, struct mmsghdr *message)
{
	struct msghdr *header = &message->msg_hdr;
	struct arrived *arrived = model_arrive(&run.model), *before = arrived - 1;
	struct address from;
	uint8_t shape = input_byte(input);
	bool follows = shape & 8 && run.model.n_arrived > 1;

	EXPECT(header->msg_namelen >= sizeof(struct sockaddr_un));
	EXPECT(header->msg_controllen == run.control_room);
	EXPECT(header->msg_iovlen == 1 && header->msg_iov->iov_len == BUFFER);
	header->msg_flags = shape & 1 && shape & 2 ? MSG_TRUNC : 0;
	arrived->length = input_number(input, shape & 4 ? 2 : 1);
	arrived->internet = run.control_room > 0;
	if (!arrived->internet)
		make_local_source(input, &from);
	else if (!follows)
		make_source(input, arrived, &from);
	if (follows)
		follow(before, arrived, &from, shape & 16);
	if (arrived->internet) {
		if (follows && shape & 32)
			arrived->told = before->told;
		tell(header, input, &arrived->told, follows && shape & 32);
	}
	memcpy(header->msg_iov->iov_base, arrived->bytes, arrived->length);
	message->msg_len = (unsigned)arrived->length;
	arrived->from = from;
	arrived->cut = header->msg_flags & (MSG_TRUNC | MSG_CTRUNC);
	header->msg_namelen = from.length;
	memcpy(header->msg_name, &from.storage, from.length);
	model_judge(&run.model, arrived);
}

int
__wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *time)
{
	/* after others the daemon pauses */
	static const int errors[] = {EAGAIN, EINTR, ECONNREFUSED};
	uint8_t count = input_byte(&run.input);

	EXPECT(fd == null_fd && n == BATCH && flags == MSG_DONTWAIT && !time);
	EXPECT(!run.given); /* one batch a turn */
	run.given = true;
	if (count % (MODEL_MOST + 1) == 0) {
		errno = errors[count % ARRAY_SIZE(errors)];
		run.model.stats.udp_receive_errors += errno != EAGAIN && errno != EINTR;
		return -1;
	}
	for (unsigned i = 0; i < count % (MODEL_MOST + 1); i++)
		receive(&run.input, &messages[i]);
	return count % (MODEL_MOST + 1);
}

/* The errno with which the kernel refuses something now, or 0. */
static int
refusal(void)
{
	/* 0 first: beyond the input's end there are only zeros, and EINTR must not be for ever */
	static const int errors[] = {0, EINTR, EAGAIN, ENOBUFS, ENOMEM, EPERM, EACCES, ENETUNREACH,
	        EHOSTUNREACH, EMSGSIZE, EINVAL, EIO};
	uint8_t what = input_byte(&run.input);

	return what < ARRAY_SIZE(errors) ? errors[what] : 0;
}

static void
read_beside(const struct msghdr *message, struct sent *sent)
{
	struct msghdr copy = *message;
	uint16_t segment;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&copy); c; c = CMSG_NXTHDR(&copy, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			const struct in_pktinfo *info = (const void *)CMSG_DATA(c);

			sent->local = address_mapped(info->ipi_spec_dst);
			sent->has_local = true;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			const struct in6_pktinfo *info = (const void *)CMSG_DATA(c);

			sent->local = info->ipi6_addr;
			sent->has_local = true;
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT) {
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			sent->segment = segment;
		} else {
			memcpy(&sent->traffic_class, CMSG_DATA(c), sizeof(int));
		}
	}
}

static struct sent
sent_as(const struct msghdr *message)
{
	static uint8_t bytes[BUFFER];
	struct sent sent = {.bytes = bytes, .traffic_class = -1};

	for (size_t i = 0; i < message->msg_iovlen; i++) {
		const struct iovec *part = &message->msg_iov[i];

		EXPECT(sent.length + part->iov_len <= sizeof(bytes));
		if (part->iov_len > 0)
			memcpy(bytes + sent.length, part->iov_base, part->iov_len);
		sent.length += part->iov_len;
	}
	read_beside(message, &sent);
	EXPECT(message->msg_iovlen == 1 || (run.model.options->udp_offload && sent.segment));
	EXPECT(message->msg_iovlen == 1 || sent.length <= 65507);
	EXPECT(message->msg_namelen <= sizeof(sent.to.storage));
	sent.to.length = message->msg_namelen;
	memcpy(&sent.to.storage, message->msg_name, message->msg_namelen);
	return sent;
}

int
__wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
	unsigned taken = 0;
	int error = 0;

	EXPECT(fd == null_fd && flags == (MSG_DONTWAIT | MSG_NOSIGNAL));
	while (taken < n && (error = refusal()) == 0) {
		struct sent sent = sent_as(&messages[taken++].msg_hdr);

		model_send(&run.model, &sent, 0);
	}
	if (taken > 0)
		return (int)taken;
	if (error != EINTR) {
		struct sent sent = sent_as(&messages[0].msg_hdr);

		model_send(&run.model, &sent, error);
	}
	errno = error;
	return -1;
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct sent sent = sent_as(message);
	int error = refusal();

	EXPECT(fd == null_fd && flags == (MSG_DONTWAIT | MSG_NOSIGNAL));
	if (error != EINTR)
		model_send_single(&run.model, &sent, error);
	errno = error;
	return error ? -1 : (ssize_t)sent.length;
}

/* Made once for each way to configure them, because that takes longer than to echo. */
static struct echo {
	uint16_t allowed[2], refused[1];
	struct prefix exempt;
	struct options options;
	struct listener listener;
	struct stats stats;
	struct ev_loop *loop;
	struct udp *udp;
} echoes[128];

static void
make(struct echo *echo, uint8_t config, int family)
{
	struct listeners listeners = {.all = &echo->listener, .count = 1};

	*echo = (struct echo){
	        .allowed = {MODEL_ALLOWED_PORT, OWN_PORT},
	        .refused = {MODEL_REFUSED_PORT},
	        .options = {.dscp = !(config & 4),
	                .udp_rate_log_only = config & 8,
	                .udp_offload = !(config & 64),
	                .udp_rate = config >> 4 & 3,
	                .udp_allowed = {echo->allowed, ARRAY_SIZE(echo->allowed)},
	                .udp_refused = {echo->refused, ARRAY_SIZE(echo->refused)},
	                .udp_exempt = {&echo->exempt, 1}},
	        .listener = {.listen_fd = null_fd,
	                .type = SOCK_DGRAM,
	                .address = {.length = sizeof(struct sockaddr_in6),
	                        .any.sa_family = (sa_family_t)family}},
	};
	address_set_port(&echo->listener.address, OWN_PORT);
	EXPECT(prefix_parse(MODEL_EXEMPT, &echo->exempt) == 0);
	echo->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	EXPECT(echo->loop);
	echo->udp = udp_new(echo->loop, &echo->stats, &echo->options, &listeners);
	EXPECT(echo->udp);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int families[] = {AF_INET6, AF_INET, AF_INET6, AF_UNIX};
	struct input input = {data, size};
	uint8_t config = input_byte(&input) % ARRAY_SIZE(echoes);
	int family = families[config % ARRAY_SIZE(families)];
	struct echo *echo = &echoes[config];

	if (!echo->udp)
		make(echo, config, family);
	now_s += 1000; /* every bucket is full again */
	memset(&run, 0, sizeof(run));
	run.input = input;
	run.model.options = &echo->options;
	run.control_room = family == AF_UNIX ? 0 : sizeof(struct udp_cmsg);
	echo->stats = (struct stats){0};
	for (int turn = 0; turn < 2; turn++) {
		run.given = false;
		ev_feed_fd_event(echo->loop, null_fd, EV_READ);
		ev_invoke_pending(echo->loop);
		EXPECT(run.given);
		model_finish(&run.model);
	}
	EXPECT(memcmp(&echo->stats, &run.model.stats, sizeof(echo->stats)) == 0);
	return 0;
}
