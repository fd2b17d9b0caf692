#include "test.h"

#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	FIRST = 3, /* SD_LISTEN_FDS_START */
	MOST = 8,
};

/* Whatever else the test opens stays above the descriptors that are handed over. */
static int
reserve(void **state)
{
	(void)state;
	for (int fd = FIRST; fd < FIRST + MOST; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			dup2(STDIN_FILENO, fd);
	return 0;
}

/* What systemd does before it starts a service: takes the descriptors, which end with -1. */
static void
hand_over(const int *fds)
{
	char count[16], pid[16];
	int n = 0;

	for (; fds[n] >= 0; n++) {
		assert_true(n < MOST);
		assert_int_equal(dup2(fds[n], FIRST + n), FIRST + n);
		close(fds[n]);
	}
	snprintf(count, sizeof(count), "%d", n);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_PID", pid, 1);
}

#define HAND_OVER(...) hand_over((const int[]){__VA_ARGS__, -1})

static void
end(struct listening *l)
{
	sockets_end(l);
	reserve(NULL);
}

static int
stream(int family, bool listening)
{
	struct address address;
	int fd = sockets_bound(family, SOCK_STREAM, &address);

	if (listening)
		assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static int
datagram(int family)
{
	struct address address;

	return sockets_bound(family, SOCK_DGRAM, &address);
}

/* Bound to an abstract name that the kernel chooses (unix(7), autobind). */
static int
local(int type)
{
	const struct sockaddr_un any = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(sa_family_t)), 0);
	if (type != SOCK_DGRAM)
		assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void
sockets_are_what_they_are(void **state)
{
	static const struct {
		int family, type;
		const char *protocol;
	} expected[] = {{AF_INET6, SOCK_DGRAM, "udp"}, {AF_UNIX, SOCK_STREAM, "stream"},
	        {AF_INET, SOCK_STREAM, "tcp"}, {AF_INET, SOCK_DGRAM, "udp"},
	        {AF_UNIX, SOCK_DGRAM, "datagram"}, {AF_INET6, SOCK_STREAM, "tcp"}};
	struct listening l;
	int fd;

	(void)state;
	HAND_OVER(datagram(AF_INET6), local(SOCK_STREAM), stream(AF_INET, true), datagram(AF_INET),
	        local(SOCK_DGRAM), stream(AF_INET6, true));
	assert_int_equal(LISTEN(&l, "--keepalive=7s", "--activated"), 0);
	assert_int_equal(l.listeners.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct listener *one = &l.listeners.all[i];

		assert_int_equal(one->listen_fd, FIRST + i);
		assert_true(one->handed_over);
		assert_int_equal(one->type, expected[i].type);
		assert_string_equal(
		        address_protocol(&one->address, one->type), expected[i].protocol);
		assert_int_equal(one->address.any.sa_family, expected[i].family);
		assert_true(fcntl(one->listen_fd, F_GETFL) & O_NONBLOCK);
		assert_int_equal(fcntl(one->listen_fd, F_GETFD), 0);
	}
	/* tuned as our own are */
	fd = sockets_connect(&l.listeners.all[2], "127.0.0.1");
	assert_int_equal(sockets_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(sockets_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 7);
	close(fd);
	assert_int_equal(
	        sockets_option(l.listeners.all[0].listen_fd, IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
	assert_int_equal(sockets_option(l.listeners.all[3].listen_fd, IPPROTO_IP, IP_PKTINFO), 1);
	assert_null(getenv("LISTEN_FDS")); /* not for the programs started next */
	sockets_end(&l);
	for (int i = FIRST; i < FIRST + (int)ARRAY_SIZE(expected); i++)
		assert_int_equal(fcntl(i, F_GETFD), -1);
	reserve(NULL);
}

/* Each is the second of two, and the message says so. */
static void
what_cannot_be_served_is_refused(void **state)
{
	enum { CONNECTED, SILENT, PACKETS, PIPE, DEVICE, CASES };

	(void)state;
	for (int i = 0; i < CASES; i++) {
		int refused = -1, other = -1, ends[2];
		struct listening l;

		switch (i) {
		case CONNECTED:
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
			refused = ends[0];
			other = ends[1];
			break;
		case SILENT:
			refused = stream(AF_INET, false);
			break;
		case PACKETS:
			refused = local(SOCK_SEQPACKET);
			break;
		case PIPE:
			assert_int_equal(pipe(ends), 0);
			refused = ends[0];
			other = ends[1];
			break;
		default:
			refused = open("/dev/null", O_RDWR);
			break;
		}
		HAND_OVER(stream(AF_INET, true), refused);
		assert_int_equal(LISTEN(&l, "-v"), i < PIPE ? -EPROTOTYPE : -ENOTSOCK);
		assert_string_equal(l.problem,
		        "file descriptor 4 handed over (LISTEN_FDS=2): neither a listening stream "
		        "socket nor a datagram socket");
		sockets_end(&l);
		assert_int_equal(fcntl(FIRST, F_GETFD), -1);
		assert_int_equal(fcntl(FIRST + 1, F_GETFD), -1);
		if (other >= 0)
			close(other);
		reserve(NULL);
	}
}

static void
what_systemd_says_must_make_sense(void **state)
{
	static const char *const nonsense[] = {"x", "-1", "99999999999"};
	struct listening l;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		HAND_OVER(stream(AF_INET, true));
		setenv("LISTEN_FDS", nonsense[i], 1);
		assert_true(LISTEN(&l, "-v") < 0);
		assert_memory_equal(
		        l.problem, "LISTEN_PID, LISTEN_FDS or LISTEN_FDNAMES in the ", 48);
		assert_int_equal(l.listeners.count, 0);
		sockets_end(&l);
	}
	/* one more than there is */
	HAND_OVER(stream(AF_INET, true));
	setenv("LISTEN_FDS", "2", 1);
	close(FIRST + 1);
	assert_int_equal(LISTEN(&l, "-v"), -EBADF);
	assert_string_equal(l.problem,
	        "LISTEN_PID, LISTEN_FDS or LISTEN_FDNAMES in the environment: Bad file descriptor");
	end(&l);
}

static void
what_is_another_process_s_is_not_ours(void **state)
{
	struct listening l;

	(void)state;
	HAND_OVER(stream(AF_INET, true));
	setenv("LISTEN_PID", "1", 1);
	assert_int_equal(LISTEN(&l, "--listen=127.0.0.1:0"), 0);
	assert_int_equal(l.listeners.count, 2);
	assert_false(l.listeners.all[0].handed_over);
	sockets_end(&l);
	assert_true(fcntl(FIRST, F_GETFD) >= 0);
}

static void
options_that_contradict_are_refused(void **state)
{
	static const struct {
		const char *option, *problem;
	} samples[] = {
	        {"--listen=127.0.0.1",
	                "--listen: contradicts the sockets handed over (LISTEN_FDS=2)"},
	        {"--port=50007", "--port: contradicts the sockets handed over (LISTEN_FDS=2)"},
	        {"--tcp=off", "--tcp: contradicts the sockets handed over (LISTEN_FDS=2)"},
	        {"--udp=off", "--udp: contradicts the sockets handed over (LISTEN_FDS=2)"},
	};
	struct listening l;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		HAND_OVER(stream(AF_INET, true), datagram(AF_INET));
		assert_int_equal(LISTEN(&l, samples[i].option), -EUSERS);
		assert_string_equal(l.problem, samples[i].problem);
		end(&l);
	}
	sockets_reset();
	assert_int_equal(LISTEN(&l, "--activated"), -EUSERS);
	assert_memory_equal(l.problem, "--activated: no sockets were handed over", 40);
	assert_int_equal(l.listeners.count, 0);
	sockets_end(&l);
}

/* It is no socket to serve echoes on: neither for --activated, nor instead of our own. */
static void
the_stats_socket_is_told_by_its_name(void **state)
{
	struct listening l;

	(void)state;
	HAND_OVER(stream(AF_INET, true), local(SOCK_STREAM), datagram(AF_INET));
	setenv("LISTEN_FDNAMES", "echod.socket:echod-stats.socket:echod-udp.socket", 1);
	assert_int_equal(LISTEN(&l, "--activated"), 0);
	assert_int_equal(l.listeners.count, 3);
	assert_int_equal(l.listeners.all[2].listen_fd, FIRST + 2);
	assert_false(l.listeners.all[2].for_stats);
	assert_true(l.listeners.all[1].for_stats);
	assert_true(listeners_activated(&l.listeners));
	assert_int_equal(listeners_stats(&l.listeners), FIRST + 1);
	assert_true(fcntl(FIRST + 1, F_GETFL) & O_NONBLOCK);
	assert_null(getenv("LISTEN_FDNAMES"));
	sockets_end(&l);
	assert_int_equal(fcntl(FIRST + 1, F_GETFD), -1);
	reserve(NULL);

	HAND_OVER(local(SOCK_STREAM));
	setenv("LISTEN_FDNAMES", "echod-stats.socket", 1);
	assert_int_equal(LISTEN(&l, "--activated"), -EUSERS);
	assert_memory_equal(l.problem, "--activated: no sockets were handed over", 40);
	end(&l);
	HAND_OVER(local(SOCK_STREAM));
	setenv("LISTEN_FDNAMES", "echod-stats.socket", 1);
	assert_int_equal(LISTEN(&l, "--listen=127.0.0.1:0"), 0);
	assert_int_equal(l.listeners.count, 3);
	assert_false(l.listeners.all[1].handed_over);
	assert_true(l.listeners.all[0].for_stats && l.listeners.all[0].handed_over);
	assert_false(listeners_activated(&l.listeners));
	end(&l);

	HAND_OVER(local(SOCK_STREAM));
	setenv("LISTEN_FDNAMES", "echod-stats.socket", 1);
	assert_int_equal(LISTEN(&l, "--port=0", "--stats-socket=/run/echod/stats"), -EUSERS);
	assert_string_equal(
	        l.problem, "--stats-socket: contradicts the one handed over (echod-stats.socket)");
	end(&l);
	HAND_OVER(local(SOCK_DGRAM));
	setenv("LISTEN_FDNAMES", "echod-stats.socket", 1);
	assert_int_equal(LISTEN(&l, "-v"), -EPROTOTYPE);
	end(&l);
}

/* A ReceiveBuffer= of the unit is the administrator's word, unless there is the privilege (and the
 * need) to do better. */
static void
buffers_are_only_enlarged(void **state)
{
	const int small = 32 * 1024, large = 8 * 1024 * 1024;
	struct listening l;
	int fd;

	(void)state;
	for (int i = 0; i < 4; i++) {
		bool unprivileged = i & 1, locked = i & 2;
		int before;

		sockets_reset();
		fd = datagram(AF_INET);
		if (locked) {
			assert_int_equal(
			        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
			assert_int_equal(
			        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
		}
		before = sockets_option(fd, SOL_SOCKET, SO_RCVBUF);
		HAND_OVER(fd);
		sockets.unprivileged = unprivileged;
		assert_int_equal(LISTEN(&l, "-v"), 0);
		fd = l.listeners.all[0].listen_fd;
		if (locked && unprivileged) {
			assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_RCVBUF), before);
			assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_SNDBUF), before);
		} else if (!unprivileged && geteuid() == 0) {
			assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_RCVBUF),
			        2 * LISTENER_RECEIVE_BUFFER);
			assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_SNDBUF),
			        2 * LISTENER_SEND_BUFFER);
		} else {
			assert_true(sockets_option(fd, SOL_SOCKET, SO_RCVBUF) >= before);
		}
		end(&l);
	}
	sockets_reset();
	fd = datagram(AF_INET);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof(large)) == 0) {
		HAND_OVER(fd);
		assert_int_equal(LISTEN(&l, "-v"), 0);
		assert_int_equal(
		        sockets_option(l.listeners.all[0].listen_fd, SOL_SOCKET, SO_RCVBUF),
		        2 * large);
		end(&l);
	} else {
		close(fd);
	}
}

/* The socket stays with the process that handed it over. */
static void
what_cannot_be_adopted_is_named(void **state)
{
	static const int commands[] = {F_GETFL, F_SETFL, F_SETFD, -1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		bool no_memory = commands[i] < 0;
		struct listening l;

		HAND_OVER(stream(AF_INET, true));
		sockets.refused_command = commands[i];
		if (no_memory)
			sockets.calls_before_failure = 0;
		assert_int_equal(LISTEN(&l, "--activated"), no_memory ? -ENOMEM : -EPERM);
		sockets_reset();
		assert_string_equal(l.problem,
		        no_memory
		                ? "file descriptor 3 handed over (LISTEN_FDS=1): Cannot allocate memory"
		                : "file descriptor 3 handed over (LISTEN_FDS=1): Operation not permitted");
		end(&l);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(sockets_are_what_they_are, sockets_setup),
	        cmocka_unit_test_setup(the_stats_socket_is_told_by_its_name, sockets_setup),
	        cmocka_unit_test_setup(what_cannot_be_served_is_refused, sockets_setup),
	        cmocka_unit_test_setup(what_systemd_says_must_make_sense, sockets_setup),
	        cmocka_unit_test_setup(what_is_another_process_s_is_not_ours, sockets_setup),
	        cmocka_unit_test_setup(options_that_contradict_are_refused, sockets_setup),
	        cmocka_unit_test_setup(buffers_are_only_enlarged, sockets_setup),
	        cmocka_unit_test_setup(what_cannot_be_adopted_is_named, sockets_setup),
	};

	return cmocka_run_group_tests(tests, reserve, NULL);
}
