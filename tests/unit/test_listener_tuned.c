#include "test.h"

#include "sockets.h"

#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <unistd.h>

enum {
	BACKLOG = 4096,
};

static int
limit_of_system(const char *path)
{
	FILE *file = fopen(path, "re");
	int value = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &value), 1);
	fclose(file);
	return value;
}

static void
connections_inherit(void **state)
{
	const struct {
		const char *argument;
		int keepalive_s;
	} samples[] = {{"--keepalive=10m", 600}, {"--keepalive=1500ms", 2}, {"--keepalive=1s", 1},
	        {"--keepalive=0", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples) * 2; i++) {
		bool v6 = i & 1;
		int keepalive_s = samples[i / 2].keepalive_s, fd;
		struct listening l;

		assert_int_equal(LISTEN(&l, samples[i / 2].argument,
		                         v6 ? "--listen=[::1]:0" : "--listen=127.0.0.1:0"),
		        0);
		fd = sockets_connect(&l.listeners.all[0], v6 ? "::1" : "127.0.0.1");
		assert_int_equal(sockets_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
		assert_int_equal(sockets_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 128 * 1024);
		assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_OOBINLINE), 1);
		assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_KEEPALIVE), keepalive_s > 0);
		if (keepalive_s > 0) {
			assert_int_equal(
			        sockets_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), keepalive_s);
			assert_int_equal(sockets_option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 30);
			assert_int_equal(sockets_option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
		}
		close(fd);
		sockets_end(&l);
	}
}

static void
many_may_wait(void **state)
{
	int most = limit_of_system("/proc/sys/net/core/somaxconn");
	struct tcp_info info;
	socklen_t length = sizeof(info);
	struct listening l;

	(void)state;
	assert_int_equal(LISTEN(&l, "--listen=127.0.0.1:0"), 0);
	assert_int_equal(
	        getsockopt(l.listeners.all[0].listen_fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
	/* a listening socket tells its backlog there */
	assert_int_equal(info.tcpi_sacked, most < BACKLOG ? most : BACKLOG);
	sockets_end(&l);
}

static void
datagram_sockets_are_tuned(void **state)
{
	static const char *const addresses[] = {
	        "--listen=127.0.0.1:0", "--listen=[::1]:0", "--port=0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addresses) * 2; i++) {
		bool off = i & 1, v6 = i / 2 > 0;
		struct listening l;
		int fd;

		assert_int_equal(LISTEN(&l, "--tcp=off", addresses[i / 2],
		                         off ? "--udp-offload=off" : "--udp-offload=on",
		                         off ? "--dscp=off" : "-v"),
		        0);
		fd = l.listeners.all[0].listen_fd;
		assert_int_equal(sockets_option(fd, IPPROTO_IP, IP_PKTINFO), 1);
		assert_int_equal(sockets_option(fd, IPPROTO_IP, IP_RECVTOS), !off);
		assert_int_equal(sockets_option(fd, IPPROTO_UDP, UDP_GRO), !off);
		if (v6) {
			assert_int_equal(sockets_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
			assert_int_equal(sockets_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS), !off);
		}
		sockets_end(&l);
	}
}

/* What the administrator set may be exceeded only with the privilege to do so. */
static void
datagram_buffers_are_large(void **state)
{
	int receive = limit_of_system("/proc/sys/net/core/rmem_max");
	int send = limit_of_system("/proc/sys/net/core/wmem_max");
	struct listening l;
	int fd;

	(void)state;
	assert_int_equal(LISTEN(&l, "--tcp=off", "--listen=127.0.0.1:0"), 0);
	fd = l.listeners.all[0].listen_fd;
	if (geteuid() == 0 || receive >= LISTENER_RECEIVE_BUFFER)
		receive = LISTENER_RECEIVE_BUFFER;
	if (geteuid() == 0 || send >= LISTENER_SEND_BUFFER)
		send = LISTENER_SEND_BUFFER;
	assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_RCVBUF), 2 * receive);
	assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_SNDBUF), 2 * send);
	sockets_end(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(connections_inherit, sockets_setup),
	        cmocka_unit_test_setup(many_may_wait, sockets_setup),
	        cmocka_unit_test_setup(datagram_sockets_are_tuned, sockets_setup),
	        cmocka_unit_test_setup(datagram_buffers_are_large, sockets_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
