/* On real sockets; the source port that the kernel chose is what the test says. */
#include "test.h"

#include "echod/tools/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

int __real_getsockname(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *length);
int __real_close(int fd);
int __wrap_close(int fd);

/* What the kernel says to have chosen, one after the other, and how often it was asked. */
static const uint16_t *chosen;
static size_t n_chosen, n_asked, n_closed;
static bool nameless;

int
__wrap_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
	int result = __real_getsockname(fd, address, length);

	n_asked++;
	if (nameless) {
		errno = ENOBUFS;
		return -1;
	}
	if (n_asked <= n_chosen)
		((struct sockaddr_in *)(void *)address)->sin_port = htons(chosen[n_asked - 1]);
	return result;
}

int
__wrap_close(int fd)
{
	n_closed++;
	return __real_close(fd);
}

static int
setup(void **state)
{
	(void)state;
	n_chosen = n_asked = n_closed = 0;
	nameless = false;
	return 0;
}

static struct dial
dial_to(const char *text, bool datagram)
{
	struct dial dial = {.datagram = datagram};

	assert_int_equal(address_parse(text, &dial.to, NULL), 0);
	return dial;
}

/* A listening socket on a free port of 127.0.0.1, and the way to it. */
static int
listen_somewhere(struct dial *dial)
{
	int listen_fd = socket(AF_INET, SOCK_STREAM, 0);

	*dial = dial_to("127.0.0.1:0", false);
	assert_int_equal(bind(listen_fd, &dial->to.any, dial->to.length), 0);
	assert_int_equal(listen(listen_fd, 1), 0);
	assert_int_equal(dial_source(listen_fd, &dial->to), 0);
	return listen_fd;
}

static int
result_of(int peer_fd)
{
	struct pollfd writable = {.fd = peer_fd, .events = POLLOUT};

	assert_int_equal(poll(&writable, 1, 10000), 1);
	return dial_result(peer_fd);
}

static int
option_of(int peer_fd, int level, int name)
{
	int value = -1;

	assert_int_equal(getsockopt(peer_fd, level, name, &value, &(socklen_t){sizeof(value)}), 0);
	return value;
}

static void
a_stream_reaches_a_listener(void **state)
{
	struct dial dial;
	struct address source;
	int listen_fd = listen_somewhere(&dial), peer_fd;

	(void)state;
	dial.dscp = 46;
	peer_fd = dial_open(&dial);
	assert_true(peer_fd >= 0);
	assert_int_equal(result_of(peer_fd), 0);
	assert_int_equal(option_of(peer_fd, IPPROTO_IP, IP_TOS), 46 << 2);
	assert_true(option_of(peer_fd, IPPROTO_TCP, TCP_NODELAY));
	assert_int_equal(dial_source(peer_fd, &source), 0);
	assert_int_not_equal(address_port(&source), 0);
	close(peer_fd);
	close(listen_fd);
}

static void
a_stream_to_no_listener_is_refused(void **state)
{
	struct dial dial;
	int listen_fd = listen_somewhere(&dial), peer_fd;

	(void)state;
	close(listen_fd);
	peer_fd = dial_open(&dial);
	if (peer_fd >= 0) { /* or refused at once */
		assert_int_equal(result_of(peer_fd), -ECONNREFUSED);
		close(peer_fd);
	} else {
		assert_int_equal(peer_fd, -ECONNREFUSED);
	}
}

static void
a_stream_that_meets_itself_is_refused(void **state)
{
	struct dial dial;
	int listen_fd = listen_somewhere(&dial), peer_fd;

	(void)state;
	close(listen_fd);
	dial.from = dial.to;
	peer_fd = dial_open(&dial);
	assert_true(peer_fd >= 0);
	assert_int_equal(result_of(peer_fd), -ECONNREFUSED);
	close(peer_fd);
}

static int connect_error; /* 0: none */

int __real_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);

int
__wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	if (!connect_error)
		return __real_connect(fd, address, length);
	errno = connect_error;
	return -1;
}

/* Without a free port connect(2) speaks of the address. */
static void
what_connect_refuses_is_said(void **state)
{
	static const int errors[] = {EACCES, EADDRNOTAVAIL}, said[] = {-EACCES, -EADDRINUSE};
	struct dial dial = dial_to("127.0.0.1:9", false);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		connect_error = errors[i];
		assert_int_equal(dial_open(&dial), said[i]);
		assert_int_equal(n_closed, i + 1);
	}
	connect_error = 0;
}

static void
a_chosen_source_is_kept(void **state)
{
	struct dial dial = dial_to("127.0.0.1:9", true);
	struct address source;
	int peer_fd;

	(void)state;
	assert_int_equal(address_parse("127.0.0.9:0", &dial.from, NULL), 0);
	peer_fd = dial_open(&dial);
	assert_true(peer_fd >= 0);
	assert_int_equal(dial_source(peer_fd, &source), 0);
	assert_int_equal(source.in4.sin_addr.s_addr, dial.from.in4.sin_addr.s_addr);
	close(peer_fd);
}

static void
a_refused_source_port_is_not_used(void **state)
{
	static const uint16_t ports[] = {53, 5353, 9, 11211, 40000};
	struct dial dial = dial_to("127.0.0.1:9", true);
	int peer_fd;

	(void)state;
	chosen = ports;
	n_chosen = ARRAY_SIZE(ports);
	peer_fd = dial_open(&dial);
	assert_true(peer_fd >= 0);
	assert_int_equal(n_asked, ARRAY_SIZE(ports));
	assert_int_equal(n_closed, ARRAY_SIZE(ports) - 1);
	close(peer_fd);
}

static void
the_port_that_it_sends_to_is_not_used(void **state)
{
	static const uint16_t ports[] = {50007, 50008};
	struct dial dial = dial_to("127.0.0.1:50007", true);
	int peer_fd;

	(void)state;
	chosen = ports;
	n_chosen = ARRAY_SIZE(ports);
	peer_fd = dial_open(&dial);
	assert_true(peer_fd >= 0);
	assert_int_equal(n_asked, 2);
	close(peer_fd);
}

static void
without_an_answered_port_there_is_no_socket(void **state)
{
	static const uint16_t ports[64] = {0};
	struct dial dial = dial_to("127.0.0.1:9", true);

	(void)state;
	chosen = ports;
	n_chosen = ARRAY_SIZE(ports);
	assert_int_equal(dial_open(&dial), -EADDRINUSE);
	assert_int_equal(n_closed, n_asked);
	assert_true(n_asked < ARRAY_SIZE(ports));
	n_asked = 0;
	nameless = true;
	assert_int_equal(dial_open(&dial), -EADDRINUSE);
}

static void
a_port_that_was_asked_for_is_used(void **state)
{
	struct dial dial = dial_to("127.0.0.1:9", true);
	int peer_fd;

	(void)state;
	assert_int_equal(address_parse("127.0.0.1:11211", &dial.from, NULL), 0);
	peer_fd = dial_open(&dial);
	if (peer_fd < 0) /* it is taken */
		assert_int_equal(peer_fd, -EADDRINUSE);
	else
		close(peer_fd);
	assert_int_equal(n_asked, 0);
}

static void
ipv6_has_a_traffic_class(void **state)
{
	struct dial dial = dial_to("[::1]:9", true);
	int peer_fd;

	(void)state;
	dial.dscp = 10;
	peer_fd = dial_open(&dial);
	if (peer_fd == -EAFNOSUPPORT || peer_fd == -EADDRNOTAVAIL)
		skip();
	assert_true(peer_fd >= 0);
	assert_int_equal(option_of(peer_fd, IPPROTO_IPV6, IPV6_TCLASS), 10 << 2);
	close(peer_fd);
}

static void
errors_leave_nothing_open(void **state)
{
	struct dial unknown = {.to = {.length = sizeof(sa_family_t), .any.sa_family = AF_MAX}};
	struct dial elsewhere = dial_to("127.0.0.1:9", true);
	struct dial broadcast = dial_to("255.255.255.255:9", true);

	(void)state;
	assert_int_equal(dial_open(&unknown), -EAFNOSUPPORT);
	assert_int_equal(n_closed, 0);
	assert_int_equal(address_parse("192.0.2.1:0", &elsewhere.from, NULL), 0);
	assert_int_equal(dial_open(&elsewhere), -EADDRNOTAVAIL);
	assert_int_equal(n_closed, 1);
	assert_true(dial_open(&broadcast) < 0);
	assert_int_equal(n_closed, 2);
}

static void
a_socket_that_tells_nothing_is_an_error(void **state)
{
	struct dial dial;
	int listen_fd = listen_somewhere(&dial), idle_fd = socket(AF_INET, SOCK_STREAM, 0), peer_fd;
	struct address source;

	(void)state;
	assert_int_equal(dial_result(-1), -EBADF);
	assert_int_equal(dial_source(-1, &source), -EBADF);
	assert_int_equal(dial_result(idle_fd), -ENOTCONN);
	peer_fd = dial_open(&dial);
	nameless = true;
	assert_int_equal(result_of(peer_fd), -ENOBUFS);
	close(peer_fd);
	close(idle_fd);
	close(listen_fd);
}

static void
only_tcp_has_tcp_info(void **state)
{
	struct dial dial;
	int listen_fd = listen_somewhere(&dial), udp_fd = socket(AF_INET, SOCK_DGRAM, 0), peer_fd;
	struct tcp_sums sums = {0};

	(void)state;
	dial_add_tcp_info(udp_fd, &sums);
	assert_int_equal(sums.asked, 0);
	peer_fd = dial_open(&dial);
	assert_int_equal(result_of(peer_fd), 0);
	dial_add_tcp_info(peer_fd, &sums);
	dial_add_tcp_info(peer_fd, &sums);
	assert_int_equal(sums.asked, 2);
	assert_true(sums.rtt_ns > 0);
	close(peer_fd);
	close(udp_fd);
	close(listen_fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(a_stream_reaches_a_listener, setup),
	        cmocka_unit_test_setup(a_stream_to_no_listener_is_refused, setup),
	        cmocka_unit_test_setup(a_stream_that_meets_itself_is_refused, setup),
	        cmocka_unit_test_setup(what_connect_refuses_is_said, setup),
	        cmocka_unit_test_setup(a_chosen_source_is_kept, setup),
	        cmocka_unit_test_setup(a_refused_source_port_is_not_used, setup),
	        cmocka_unit_test_setup(the_port_that_it_sends_to_is_not_used, setup),
	        cmocka_unit_test_setup(without_an_answered_port_there_is_no_socket, setup),
	        cmocka_unit_test_setup(a_port_that_was_asked_for_is_used, setup),
	        cmocka_unit_test_setup(ipv6_has_a_traffic_class, setup),
	        cmocka_unit_test_setup(errors_leave_nothing_open, setup),
	        cmocka_unit_test_setup(a_socket_that_tells_nothing_is_an_error, setup),
	        cmocka_unit_test_setup(only_tcp_has_tcp_info, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
