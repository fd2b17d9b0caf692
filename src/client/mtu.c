#include "echod/client/mtu.h"

#include "echod/common/clock.h"
#include "echod/tools/json.h"
#include "echod/tools/reason.h"

#include <errno.h>
#include <json-c/json.h>
#include <linux/errqueue.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	UDP_HEADER = 8,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TRIES = 3,       /* of a size */
	ROUND_TRIPS = 4, /* the longest until now, that an echo is waited for */
	LEAST_WAIT_MS = 200,
};

/* Why larger datagrams do not come back whole. */
enum obstacle {
	OBSTACLE_NONE, /* UDP carries no larger ones */
	OBSTACLE_LINK,
	OBSTACLE_ICMP,
	OBSTACLE_FRAGMENTS,
	OBSTACLE_SILENCE,
};

struct hindrance {
	enum obstacle obstacle;
	uint32_t mtu;          /* as it says; 0: it does not */
	struct address router; /* that sent the ICMP message */
};

struct search {
	const struct client_options *options;
	struct address to;
	int peer_fd;
	size_t headers;            /* of IP and UDP */
	size_t low, high;          /* bytes: this size comes back, no larger one than that does */
	struct hindrance met, why; /* by this probe, by the smallest size that failed */
	int error;                 /* that ends the search, a negative errno */
	uint64_t number, wait_ns;
	struct message message;
	unsigned char sent[EXCHANGE_SCRATCH_SIZE], received[EXCHANGE_SCRATCH_SIZE];
};

static void
set(const struct search *search, int ipv4_name, int ipv6_name, int value)
{
	if (search->to.any.sa_family == AF_INET6)
		setsockopt(search->peer_fd, IPPROTO_IPV6, ipv6_name, &value, sizeof(value));
	else
		setsockopt(search->peer_fd, IPPROTO_IP, ipv4_name, &value, sizeof(value));
}

static int
open_socket(struct search *search)
{
	struct dial dial = {
	        .to = search->to, .datagram = true, .dscp = (uint8_t)search->options->dscp};

	search->peer_fd = dial_open(&dial);
	if (search->peer_fd < 0)
		return search->peer_fd;
	/* never cut here, whatever is remembered of the path; ICMP messages with their senders; the
	 * largest fragment of what comes back in several */
	set(search, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	set(search, IP_RECVERR, IPV6_RECVERR, 1);
	set(search, IP_RECVFRAGSIZE, IPV6_RECVFRAGSIZE, 1);
	if (search->to.any.sa_family == AF_INET6)
		set(search, 0, IPV6_DONTFRAG, 1);
	return 0;
}

/* Looks at an error that the kernel has queued: of this host's link, or by ICMP. */
static void
take_error(struct search *search, size_t size, const struct sock_extended_err *error)
{
	const struct sockaddr *router = (const void *)(error + 1); /* SO_EE_OFFENDER() */

	if (error->ee_errno != EMSGSIZE) {
		search->error = -(int)error->ee_errno;
		return;
	}
	if (error->ee_info >= size + search->headers) /* of a larger one before */
		return;
	search->met.mtu = error->ee_info;
	search->met.obstacle =
	        error->ee_origin == SO_EE_ORIGIN_LOCAL ? OBSTACLE_LINK : OBSTACLE_ICMP;
	if (search->met.obstacle == OBSTACLE_LINK)
		return;
	search->met.router.length = router->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
	                                                          : sizeof(struct sockaddr_in);
	memcpy(&search->met.router.storage, router, search->met.router.length);
}

/* Receives an echo, or with MSG_ERRQUEUE an error. Returns its length or -1. */
static ssize_t
receive(struct search *search, size_t size, int flags, uint32_t *fragment)
{
	_Alignas(struct cmsghdr) char control[512];
	struct iovec iovec = {search->received, sizeof(search->received)};
	struct msghdr message = {.msg_iov = &iovec,
	        .msg_iovlen = 1,
	        .msg_control = control,
	        .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(search->peer_fd, &message, flags | MSG_DONTWAIT);

	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&message); c;
	        c = CMSG_NXTHDR(&message, c)) {
		bool ipv6 = c->cmsg_level == IPPROTO_IPV6;

		if (c->cmsg_type == (ipv6 ? IPV6_RECVERR : IP_RECVERR))
			take_error(search, size, (const void *)CMSG_DATA(c));
		else if (c->cmsg_type == (ipv6 ? IPV6_RECVFRAGSIZE : IP_RECVFRAGSIZE))
			memcpy(fragment, CMSG_DATA(c), sizeof(*fragment));
	}
	return n;
}

/* Takes what is there. Returns whether the probe's end is known. */
static bool
take(struct search *search, size_t size, uint64_t first, bool *whole)
{
	uint32_t fragment = 0;
	ssize_t n;
	uint64_t number;

	while (receive(search, size, MSG_ERRQUEUE, &fragment) >= 0)
		;
	if (search->met.obstacle != OBSTACLE_SILENCE || search->error)
		return true;
	fragment = 0;
	n = receive(search, size, 0, &fragment);
	if (n < 0 || (size_t)n != size)
		return false;
	number = payload_key_number(payload_key_read(search->received));
	message_copy(
	        &search->message, message_key(&search->message, 0, number), 0, search->sent, size);
	if (number < first || memcmp(search->sent, search->received, size) != 0)
		return false;
	*whole = fragment == 0;
	if (fragment > 0)
		search->met = (struct hindrance){OBSTACLE_FRAGMENTS, fragment, {.length = 0}};
	return true;
}

/* Returns whether a datagram of this size comes back whole; what stands in its way if not. */
static bool
probe(struct search *search, size_t size)
{
	uint64_t first = search->number, begin_ns, passed_ns;
	bool whole = false;

	search->message.size = size;
	search->met = (struct hindrance){.obstacle = OBSTACLE_SILENCE};
	for (int i = 0; i < TRIES; i++) {
		uint64_t key = message_key(&search->message, 0, search->number++);

		message_copy(&search->message, key, 0, search->sent, size);
		begin_ns = clock_now_ns();
		if (send(search->peer_fd, search->sent, size, 0) < 0 && errno != EMSGSIZE &&
		        errno != EAGAIN)
			search->error = -errno;
		while ((passed_ns = clock_now_ns() - begin_ns) < search->wait_ns) {
			struct pollfd polled = {search->peer_fd, POLLIN, 0};

			if (take(search, size, first, &whole)) {
				uint64_t wait_ns = ROUND_TRIPS * passed_ns;

				if (whole && search->low == 0) /* the first one */
					search->wait_ns = wait_ns > LEAST_WAIT_MS * NS_PER_MS
					                          ? wait_ns
					                          : LEAST_WAIT_MS * NS_PER_MS;
				return whole;
			}
			poll(&polled, 1, (int)((search->wait_ns - passed_ns) / NS_PER_MS) + 1);
		}
	}
	return false;
}

/* The size to try below one that failed: what an MTU leaves that was told, or halfway. */
static size_t
next_size(struct search *search)
{
	uint32_t mtu = search->met.mtu;

	if (search->met.obstacle != OBSTACLE_SILENCE && mtu > search->low + search->headers) {
		size_t told = mtu - search->headers;

		if (search->met.obstacle != OBSTACLE_FRAGMENTS && told < search->high)
			search->high = told;
		if (told <= search->high)
			return told;
	}
	return (search->low + search->high + 1) / 2;
}

static void
search_size(struct search *search)
{
	size_t size = PAYLOAD_KEY_SIZE;
	bool whole = probe(search, size);

	search->low = whole ? size : 0;
	search->why = (struct hindrance){.obstacle = OBSTACLE_NONE};
	if (!whole)
		search->why = search->met;
	for (size = search->high;
	        search->low > 0 && search->low < search->high && !search->error;) {
		if (probe(search, size)) {
			search->low = size;
			size = (search->low + search->high + 1) / 2;
			continue;
		}
		search->why = search->met;
		search->high = size - 1;
		size = next_size(search);
	}
}

static const char *
router_of(const struct search *search)
{
	static char text[NI_MAXHOST];
	const struct address *router = &search->why.router;

	return getnameinfo(&router->any, router->length, text, sizeof(text), NULL, 0,
	               NI_NUMERICHOST) == 0
	               ? text
	               : "a router";
}

static void
show_text(const struct search *search)
{
	char text[ADDRESS_TEXT_SIZE];
	const struct hindrance *why = &search->why;

	printf("MTU to %s is %zu: datagrams of up to %zu bytes come back unfragmented\n",
	        address_format(&search->to, text, sizeof(text)), search->low + search->headers,
	        search->low);
	fputs("larger ones: ", stdout);
	switch (why->obstacle) {
	case OBSTACLE_NONE:
		puts("UDP carries none");
		break;
	case OBSTACLE_LINK:
		printf("the link of this host has an MTU of %u\n", why->mtu);
		break;
	case OBSTACLE_ICMP:
		printf("%s says that fragmentation is needed, for an MTU of %u (ICMP)\n",
		        router_of(search), why->mtu);
		break;
	case OBSTACLE_FRAGMENTS:
		printf("they come back in fragments of up to %u bytes\n", why->mtu);
		break;
	case OBSTACLE_SILENCE:
		puts("nothing comes back, and no ICMP message says why");
		break;
	}
}

static void
show_json(const struct search *search)
{
	static const char *const obstacles[] = {[OBSTACLE_NONE] = "none",
	        [OBSTACLE_LINK] = "link",
	        [OBSTACLE_ICMP] = "icmp",
	        [OBSTACLE_FRAGMENTS] = "fragments",
	        [OBSTACLE_SILENCE] = "silence"};
	struct json_object *line = json_object_new_object();
	char text[ADDRESS_TEXT_SIZE];

	json_add_text(line, "type", "mtu");
	json_add_text(line, "host", search->options->target.host);
	json_add_text(line, "address", address_format(&search->to, text, sizeof(text)));
	if (search->low > 0) {
		json_add_count(line, "mtu_bytes", search->low + search->headers);
		json_add_count(line, "size_bytes", search->low);
	}
	json_add_text(line, "obstacle", obstacles[search->why.obstacle]);
	if (search->why.mtu > 0)
		json_add_count(line, "obstacle_bytes", search->why.mtu);
	if (search->why.obstacle == OBSTACLE_ICMP)
		json_add_text(line, "router", router_of(search));
	json_print_line(line, stdout);
}

/* Searches towards one address. Returns how that ends; on stderr why nothing comes back. */
static enum session_outcome
try_address(struct search *search)
{
	bool ipv6 = search->to.any.sa_family == AF_INET6;
	char text[ADDRESS_TEXT_SIZE];

	search->headers = (ipv6 ? IPV6_HEADER : IPV4_HEADER) + UDP_HEADER;
	search->high = ipv6 ? TOOL_MAX_IPV6_DATAGRAM : TOOL_MAX_IPV4_DATAGRAM;
	search->wait_ns = search->options->timeout_ms * NS_PER_MS;
	search->error = open_socket(search);
	if (!search->error) {
		search_size(search);
		close(search->peer_fd);
	}
	if (search->low > 0 && !search->error) {
		search->options->json ? show_json(search) : show_text(search);
		return SESSION_CLEAN;
	}
	fprintf(stderr, "echod-client: %s: %s\n", address_format(&search->to, text, sizeof(text)),
	        search->error ? reason_of(search->error) : "nothing comes back");
	return SESSION_UNCLEAN;
}

enum session_outcome
mtu_run(const struct client_options *options)
{
	struct address addresses[TOOL_MAX_ADDRESSES];
	static struct search search; /* large */
	enum session_outcome outcome = SESSION_ERROR;
	uint64_t seed;
	size_t n = 0;
	const char *problem = tool_target_resolve(&options->target, addresses, &n);

	if (problem) {
		fprintf(stderr, "echod-client: %s: %s\n", options->target.host, problem);
		return SESSION_ERROR;
	}
	if (getrandom(&seed, sizeof(seed), 0) < 0)
		seed = clock_now_ns();
	message_init(&search.message, NULL, PAYLOAD_KEY_SIZE, seed);
	search.options = options;
	for (size_t i = 0; i < n && outcome != SESSION_CLEAN; i++) {
		search.to = addresses[i];
		search.low = 0;
		outcome = try_address(&search);
	}
	if (options->json && outcome != SESSION_CLEAN)
		show_json(&search);
	return outcome;
}
