#include "test.h"

#include "connected.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

static const char text[] = "PROXY TCP4 192.0.2.1 192.0.2.9 4000 7\r\n";
static struct prefix proxies[2];

/* The proxies are 127.0.0.0/8 and ::1. */
static void
begin_with(size_t n_proxies, bool unix_proxies, uint64_t source_limit)
{
	assert_int_equal(prefix_parse("127.0.0.0/8", &proxies[0]), 0);
	assert_int_equal(prefix_parse("::1", &proxies[1]), 0);
	connected_begin_as((struct connections_config){.ring_memory = RING,
	        .source_limit = source_limit,
	        .proxies = proxies,
	        .n_proxies = n_proxies,
	        .unix_proxies = unix_proxies});
}

/* A client may have one connection. */
static void
begin(void)
{
	begin_with(2, false, 1);
}

static struct connection *
proxied(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint32_t index = 0;

	assert_int_equal(connection_open(connections, fd, &peer), 0);
	while (connections_at(connections, index)->watcher.fd != fd)
		index++;
	assert_true(connection_awaits_header(connections_at(connections, index)));
	return connections_at(connections, index);
}

static void
kernel_proxy_sends(const char *bytes, size_t length)
{
	memcpy(kernel.queue + kernel.queued, bytes, length);
	kernel.queued += length;
}

static void
those_that_are_named_are_proxies(void **state)
{
	static const struct {
		const char *from;
		bool proxy;
	} peers[] = {{"127.1.2.3", true}, {"::ffff:127.1.2.3", true}, {"::1", true},
	        {"128.0.0.1", false}, {"::2", false}, {"::127.0.0.1", false}};
	struct address from;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		begin();
		assert_int_equal(address_parse(peers[i].from, &from, NULL), 0);
		assert_int_equal(connection_open(connections, eventfd(0, 0), &from), 0);
		assert_int_equal(
		        connection_awaits_header(connections_at(connections, 0)), peers[i].proxy);
		connected_end();
	}
	for (int is_proxy = 0; is_proxy <= 1; is_proxy++) {
		const sa_family_t families[] = {AF_UNIX, AF_VSOCK};

		for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
			begin_with(0, is_proxy, 0);
			from = (struct address){
			        .length = sizeof(sa_family_t), .any.sa_family = families[i]};
			assert_int_equal(connection_open(connections, eventfd(0, 0), &from), 0);
			assert_int_equal(connection_awaits_header(connections_at(connections, 0)),
			        is_proxy && families[i] == AF_UNIX);
			connected_end();
		}
	}
}

static void
a_header_is_taken_and_what_follows_is_echoed(void **state)
{
	for (int known = 0; known <= 2; known++) { /* not; but for limits; with them */
		struct connection *c;

		(void)state;
		begin_with(known ? 2 : 0, false, known == 2);
		c = connected_open();
		connection_await_header(c); /* without proxies: one of before a reload */
		kernel_proxy_sends(text, strlen(text));
		kernel_peer_sends(300);
		ev_invoke(loop, &c->watcher, EV_READ);
		assert_false(connection_awaits_header(c));
		assert_int_equal(kernel.taken, 0);
		connected_iterate(c, EV_READ);
		assert_true(kernel_echoed_exactly(300));
		assert_int_equal(stats.tcp_received_bytes, 300);
		if (known) {
			const struct detail *detail = connections->details;

			assert_int_equal(detail->peer.any.sa_family, AF_INET);
			assert_int_equal(detail->peer.in4.sin_addr.s_addr, htonl(0xc0000201));
			assert_int_equal(ntohs(detail->peer.in4.sin_port), 4000);
		}
		connected_end();
	}
}

static void
a_part_of_a_header_is_not_looked_at_without_end(void **state)
{
	struct connection *c;

	(void)state;
	begin();
	c = proxied();
	for (size_t i = 0; i < strlen(text); i++) {
		assert_false(connection_check_header(connections, c, false));
		assert_true(ev_is_active(&c->watcher));
		kernel_proxy_sends(text + i, 1);
		ev_invoke(loop, &c->watcher, EV_READ);
		assert_int_equal(ev_is_active(&c->watcher), i + 1 == strlen(text));
	}
	assert_int_equal(kernel.queued, 0);
	assert_false(connection_awaits_header(c));
	connected_end();
}

static void
what_is_no_header_is_reset(void **state)
{
	struct connection *c;

	(void)state;
	for (int finished = 0; finished <= 1; finished++) {
		begin();
		c = proxied();
		if (finished)
			kernel.finished = true;
		else
			kernel_peer_sends(1);
		ev_invoke(loop, &c->watcher, EV_READ);
		assert_false(c->open);
		assert_true(kernel.aborted);
		assert_int_equal(stats.tcp_closed_proxy, 1);
		assert_int_equal(closed, 1);
		connected_end();
	}
}

static void
errors_end_it_with_their_reason(void **state)
{
	struct connection *c;

	(void)state;
	begin();
	c = proxied();
	kernel.receive_error = ECONNRESET;
	ev_invoke(loop, &c->watcher, EV_READ);
	assert_int_equal(stats.tcp_closed_reset, 1);
	kernel.receive_error = 0;
	kernel.take_error = EIO;
	c = proxied();
	kernel_proxy_sends(text, strlen(text));
	ev_invoke(loop, &c->watcher, EV_READ);
	assert_int_equal(stats.tcp_closed_error, 1);
	kernel.take_error = 0;
	c = proxied();
	ev_invoke(loop, &c->watcher, EV_ERROR);
	assert_int_equal(stats.tcp_closed_error, 2);
	connected_end();
}

static void
the_last_look_decides(void **state)
{
	struct connection *c;

	(void)state;
	begin();
	c = proxied();
	assert_true(connection_check_header(connections, c, true));
	assert_int_equal(stats.tcp_closed_proxy, 1);
	c = proxied();
	kernel_proxy_sends(text, strlen(text) - 1);
	assert_true(connection_check_header(connections, c, true));
	assert_int_equal(stats.tcp_closed_proxy, 2);
	c = proxied();
	kernel.queue[0] = 'x';
	assert_true(connection_check_header(connections, c, true));
	assert_int_equal(stats.tcp_closed_proxy, 3);
	kernel.queue[0] = 'P';
	kernel_proxy_sends("\n", 1);
	c = proxied();
	assert_false(connection_check_header(connections, c, true));
	assert_true(c->open && !connection_awaits_header(c));
	connected_end();
}

/* The proxy's own address counts only where the header names no client. */
static void
clients_are_counted_for_their_source(void **state)
{
	static const char unknown[] = "PROXY UNKNOWN\r\n";
	static const struct {
		const char *header;
		bool refused;
	} headers[] = {{text, false}, {text, true}, {unknown, false}, {unknown, true}};
	struct connection *c;

	(void)state;
	begin();
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		kernel.aborted = false;
		c = proxied();
		kernel_proxy_sends(headers[i].header, strlen(headers[i].header));
		ev_invoke(loop, &c->watcher, EV_READ);
		assert_int_equal(c->open, !headers[i].refused);
		assert_int_equal(kernel.aborted, headers[i].refused);
	}
	assert_int_equal(stats.tcp_closed_source, 2);
	assert_int_equal(stats.tcp_accepted, 4);
	connected_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(those_that_are_named_are_proxies),
	        cmocka_unit_test(a_header_is_taken_and_what_follows_is_echoed),
	        cmocka_unit_test(a_part_of_a_header_is_not_looked_at_without_end),
	        cmocka_unit_test(what_is_no_header_is_reset),
	        cmocka_unit_test(errors_end_it_with_their_reason),
	        cmocka_unit_test(the_last_look_decides),
	        cmocka_unit_test(clients_are_counted_for_their_source),
	};

	return cmocka_run_group_tests(tests, connected_loop_up, connected_loop_down);
}
