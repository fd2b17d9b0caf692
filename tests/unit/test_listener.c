#include "test.h"

#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	FREE_PORT_ATTEMPTS = 32,
};

static const struct listener *
check(const struct listening *l, size_t index, int type, const char *address)
{
	const struct listener *one = &l->listeners.all[index];
	char text[ADDRESS_TEXT_SIZE];
	int fd = one->listen_fd;

	assert_true(index < l->listeners.count);
	assert_int_equal(one->type, type);
	assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_TYPE), type);
	assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_ACCEPTCONN), type == SOCK_STREAM);
	/* a restart does not wait for old connections; datagram sockets are not shared */
	assert_int_equal(sockets_option(fd, SOL_SOCKET, SO_REUSEADDR), type == SOCK_STREAM);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(fd, F_GETFD), 0); /* a reload takes it along */
	assert_false(one->handed_over);
	address_format(&one->address, text, sizeof(text));
	*strrchr(text, ':') = '\0';
	assert_string_equal(text, address);
	assert_true(address_port(&one->address) != 0);
	return one;
}

static void
everywhere_is_one_dual_stack_socket_each(void **state)
{
	struct listening l;

	(void)state;
	assert_int_equal(LISTEN(&l, "--port=0"), 0);
	assert_int_equal(l.listeners.count, 2);
	check(&l, 0, SOCK_STREAM, "[::]");
	check(&l, 1, SOCK_DGRAM, "[::]");
	assert_int_equal(address_port(&l.listeners.all[0].address),
	        address_port(&l.listeners.all[1].address));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
		        sockets_option(l.listeners.all[i].listen_fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	close(sockets_connect(&l.listeners.all[0], "127.0.0.1"));
	close(sockets_connect(&l.listeners.all[0], "::1"));
	sockets_end(&l);
}

static void
one_protocol_alone(void **state)
{
	struct listening l;

	(void)state;
	assert_int_equal(LISTEN(&l, "--udp=off", "--listen=127.0.0.1:0"), 0);
	assert_int_equal(l.listeners.count, 1);
	check(&l, 0, SOCK_STREAM, "127.0.0.1");
	sockets_end(&l);
	assert_int_equal(LISTEN(&l, "--tcp=off", "--listen=127.0.0.1:0"), 0);
	assert_int_equal(l.listeners.count, 1);
	check(&l, 0, SOCK_DGRAM, "127.0.0.1");
	sockets_end(&l);
}

/* Also where one address is the other's dual-stack neighbour. */
static void
addresses_share_the_free_port(void **state)
{
	static const char *const expected[] = {"127.0.0.1", "127.0.0.2", "[::1]"};
	struct listening l;

	(void)state;
	assert_int_equal(LISTEN(&l, "--port=0", "--listen=127.0.0.1", "--listen=127.0.0.2:0",
	                         "--listen=::1"),
	        0);
	assert_int_equal(l.listeners.count, 6);
	for (size_t i = 0; i < 6; i++) {
		check(&l, i, i % 2 ? SOCK_DGRAM : SOCK_STREAM, expected[i / 2]);
		assert_int_equal(address_port(&l.listeners.all[i].address),
		        address_port(&l.listeners.all[0].address));
	}
	sockets_end(&l);
	assert_int_equal(LISTEN(&l, "--port=0", "--listen=0.0.0.0", "--listen=::"), 0);
	assert_int_equal(l.listeners.count, 4);
	for (size_t i = 2; i < 4; i++)
		assert_int_equal(
		        sockets_option(l.listeners.all[i].listen_fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	sockets_end(&l);
}

static void
a_mapped_address_is_ipv4(void **state)
{
	struct listening l;

	(void)state;
	assert_int_equal(LISTEN(&l, "--listen=[::ffff:127.0.0.1]:0"), 0);
	close(sockets_connect(check(&l, 0, SOCK_STREAM, "127.0.0.1"), "127.0.0.1"));
	check(&l, 1, SOCK_DGRAM, "127.0.0.1");
	sockets_end(&l);
}

static void
without_ipv6_it_is_ipv4(void **state)
{
	static const int bind_errors[] = {EADDRNOTAVAIL, 0};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct listening l;

		sockets_reset();
		sockets.family_error = i ? EAFNOSUPPORT : 0;
		sockets.bind_error = bind_errors[i];
		sockets.bind_errors = i ? 0 : 1;
		sockets.bind_error_type = SOCK_STREAM;
		assert_int_equal(LISTEN(&l, "--port=0"), 0);
		assert_int_equal(l.listeners.count, 2);
		close(sockets_connect(check(&l, 0, SOCK_STREAM, "0.0.0.0"), "127.0.0.1"));
		check(&l, 1, SOCK_DGRAM, "0.0.0.0");
		assert_int_equal(address_port(&l.listeners.all[0].address),
		        address_port(&l.listeners.all[1].address));
		sockets_end(&l);
	}
}

static void
errors_say_what_was_tried(void **state)
{
	const struct {
		int error, type;
		const char *problem;
	} samples[] = {
	        {EACCES, SOCK_STREAM, "listen on 127.0.0.1:7 over TCP: Permission denied"},
	        {EACCES, SOCK_DGRAM, "listen on 127.0.0.1:7 over UDP: Permission denied"},
	        {EADDRNOTAVAIL, SOCK_STREAM,
	                "listen on 127.0.0.1:7 over TCP: Cannot assign requested address"},
	};
	struct listening l;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		sockets_reset();
		sockets.bind_error = samples[i].error;
		sockets.bind_error_type = samples[i].type;
		sockets.bind_errors = 1;
		assert_int_equal(LISTEN(&l, "--listen=127.0.0.1:7",
		                         samples[i].type == SOCK_DGRAM ? "--tcp=off" : "-v"),
		        -samples[i].error);
		assert_string_equal(l.problem, samples[i].problem);
		sockets_end(&l);
	}
	/* an address that was asked for is not replaced by another */
	sockets_reset();
	sockets.family_error = EAFNOSUPPORT;
	assert_int_equal(LISTEN(&l, "--listen=[::1]:7"), -EAFNOSUPPORT);
	assert_string_equal(
	        l.problem, "listen on [::1]:7 over TCP: Address family not supported by protocol");
	sockets_end(&l);
	sockets.family_error = EMFILE;
	assert_int_equal(LISTEN(&l, "--port=7"), -EMFILE);
	assert_string_equal(l.problem, "listen on [::]:7 over TCP: Too many open files");
	sockets_end(&l);
	/* replies could leave from an address that was not hit */
	sockets_reset();
	sockets.refused_option = IP_PKTINFO;
	assert_int_equal(LISTEN(&l, "--listen=127.0.0.1:0"), -EDESTADDRREQ);
	assert_non_null(strstr(l.problem, "IP_PKTINFO"));
	sockets_end(&l);
}

static void
a_port_in_use_is_an_error(void **state)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		char argument[160], expected[192], text[ADDRESS_TEXT_SIZE];
		struct address address;
		struct listening l;
		int fd = sockets_bound(AF_INET, types[i], &address);

		if (types[i] == SOCK_STREAM)
			assert_int_equal(listen(fd, 1), 0);
		address_format(&address, text, sizeof(text));
		snprintf(argument, sizeof(argument), "--listen=%s", text);
		snprintf(expected, sizeof(expected), "listen on %s over %s: Address already in use",
		        text, i ? "UDP" : "TCP");
		sockets_reset();
		/* the other protocol's port of that number may be taken */
		assert_int_equal(LISTEN(&l, argument, i ? "--tcp=off" : "--udp=off"), -EADDRINUSE);
		assert_string_equal(l.problem, expected);
		assert_int_equal(sockets.binds, 1);
		sockets_end(&l);
		close(fd);
	}
}

static void
a_free_port_is_free_for_both(void **state)
{
	static const char *const arguments[] = {"--port=0", "--listen=127.0.0.1:0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(arguments); i++) {
		struct listening l;

		sockets_reset();
		sockets.bind_error = EADDRINUSE;
		sockets.bind_error_type = SOCK_DGRAM;
		sockets.bind_errors = 3;
		assert_int_equal(LISTEN(&l, arguments[i]), 0);
		/* another one each time; one of them may be taken, too */
		assert_true(sockets.free_binds >= 4);
		assert_int_equal(sockets.binds, 2 * sockets.free_binds);
		assert_int_equal(l.listeners.count, 2);
		assert_int_equal(address_port(&l.listeners.all[0].address),
		        address_port(&l.listeners.all[1].address));
		sockets_end(&l);
		sockets.binds = 0;
		sockets.bind_errors = SIZE_MAX;
		assert_int_equal(LISTEN(&l, arguments[i]), -EADDRINUSE);
		assert_int_equal(sockets.binds, 2 * FREE_PORT_ATTEMPTS);
		sockets_end(&l);
	}
}

/* Whichever call fails, closing leaves nothing behind. */
static void
what_is_half_built_is_torn_down(void **state)
{
	size_t before = sockets_open(), failing = 0;
	int error = -1;

	(void)state;
	for (; error; failing++) {
		struct listening l;

		sockets_reset();
		sockets.calls_before_failure = failing;
		error = LISTEN(&l, "--port=0", "--listen=127.0.0.1", "--listen=::1");
		assert_true(!error || error == -ENFILE || error == -ENOMEM);
		sockets_end(&l);
		assert_int_equal(sockets_open(), before);
	}
	assert_true(failing > 4 * 3); /* socket, realloc, bind for each of four */
}

static void
closing_twice_closes_once(void **state)
{
	struct listening l;
	int fd;

	(void)state;
	assert_int_equal(LISTEN(&l, "--listen=127.0.0.1:0", "--udp=off"), 0);
	fd = l.listeners.all[0].listen_fd;
	listener_close(&l.listeners.all[0]);
	assert_int_equal(l.listeners.all[0].listen_fd, -1);
	assert_int_equal(dup2(STDIN_FILENO, fd), fd); /* another file's now */
	sockets_end(&l);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(everywhere_is_one_dual_stack_socket_each, sockets_setup),
	        cmocka_unit_test_setup(one_protocol_alone, sockets_setup),
	        cmocka_unit_test_setup(addresses_share_the_free_port, sockets_setup),
	        cmocka_unit_test_setup(a_mapped_address_is_ipv4, sockets_setup),
	        cmocka_unit_test_setup(without_ipv6_it_is_ipv4, sockets_setup),
	        cmocka_unit_test_setup(errors_say_what_was_tried, sockets_setup),
	        cmocka_unit_test_setup(a_port_in_use_is_an_error, sockets_setup),
	        cmocka_unit_test_setup(a_free_port_is_free_for_both, sockets_setup),
	        cmocka_unit_test_setup(what_is_half_built_is_torn_down, sockets_setup),
	        cmocka_unit_test_setup(closing_twice_closes_once, sockets_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
