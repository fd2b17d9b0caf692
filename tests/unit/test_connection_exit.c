#include "test.h"

#include "capture.h"
#include "connected.h"
#include "fake_clock.h"

#include <sys/eventfd.h>

/* A connection that ends after some time, having sent and got back so many bytes: what is logged of
 * it. */
static const char *
line_of(const struct address *from, uint64_t duration_ms, size_t sent, size_t echoed)
{
	int file = capture_file();
	struct connection *c;
	int own_fd = from->any.sa_family == AF_UNIX ? eventfd(0, EFD_NONBLOCK)
	                                            : socket(AF_INET, SOCK_STREAM, 0);

	connected_begin_as((struct connections_config){.ring_memory = RING, .log_exits = true});
	assert_int_equal(connection_open(connections, own_fd, from), 0);
	c = connections_at(connections, 0);
	kernel.window = echoed;
	kernel_peer_sends(sent);
	if (sent > 0)
		connected_iterate(c, EV_READ);
	fake_clock_ns += duration_ms * NS_PER_MS;
	capture_begin(file);
	connection_close(connections, c, CLOSE_STALLED);
	capture_end();
	connections_free(connections);
	return capture_contents(file);
}

static void
a_line_says_who_how_long_and_how_much(void **state)
{
	struct address from;

	(void)state;
	assert_int_equal(address_parse("192.0.2.1:4000", &from, NULL), 0);
	assert_string_equal(line_of(&from, 3612345, 10, 4),
	        "EXIT: proto=tcp from=192.0.2.1:4000 to=0.0.0.0:0 duration_s=3612.345 rx_bytes=10 tx_bytes=4 reason=stalled\n");
	assert_string_equal(line_of(&from, 7, 0, 0),
	        "EXIT: proto=tcp from=192.0.2.1:4000 to=0.0.0.0:0 duration_s=0.007 rx_bytes=0 tx_bytes=0 reason=stalled\n");
	assert_int_equal(address_parse("[2001:db8::1]:1", &from, NULL), 0);
	assert_string_equal(line_of(&from, 999, 5, 5),
	        "EXIT: proto=tcp from=[2001:db8::1]:1 to=0.0.0.0:0 duration_s=0.999 rx_bytes=5 tx_bytes=5 reason=stalled\n");
}

static void
a_peer_without_an_address_is_named_by_its_family(void **state)
{
	const struct address from = {
	        .length = sizeof(sa_family_t), .local = {.sun_family = AF_UNIX}};

	(void)state;
	assert_string_equal(line_of(&from, 1000, 0, 0),
	        "EXIT: proto=stream from=unix to=\"family=0\" duration_s=1.000 rx_bytes=0 tx_bytes=0 reason=stalled\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_line_says_who_how_long_and_how_much),
	        cmocka_unit_test(a_peer_without_an_address_is_named_by_its_family),
	};

	return cmocka_run_group_tests(tests, connected_loop_up, connected_loop_down);
}
