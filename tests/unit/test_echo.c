#include "test.h"

#include "echod/echo.h"
#include "kernel.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static struct stats stats;
static struct ev_loop *loop;
static struct echo echo;
static size_t maps_before_failure = SIZE_MAX;
static size_t mapped; /* bytes */

void *__real_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t length);
int __wrap_munmap(void *address, size_t length);

void *
__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (maps_before_failure-- == 0) {
		errno = EAGAIN;
		return MAP_FAILED;
	}
	mapped += length;
	return __real_mmap(address, length, protection, flags, fd, offset);
}

int
__wrap_munmap(void *address, size_t length)
{
	mapped -= length;
	return __real_munmap(address, length);
}

static int
begin(size_t ring_size, size_t ring_memory)
{
	stats = (struct stats){0};
	kernel_reset();
	return echo_init(&echo, loop, &stats, ring_size, ring_memory, 0);
}

static void
on_ready(struct ev_loop *of, struct ev_io *watcher, int events)
{
	(void)of;
	(void)watcher;
	(void)events;
	fail_msg("an eventfd that was never written to is readable");
}

/* The descriptor is for libev; the bytes are the scripted kernel's. */
static void
open_connection(struct connection *c)
{
	*c = (struct connection){.open = true};
	ev_io_init(&c->watcher, on_ready, eventfd(0, EFD_NONBLOCK), EV_READ);
	ev_io_start(loop, &c->watcher);
}

static void
end_connection(struct connection *c)
{
	echo_release(&echo, c);
	ev_io_stop(loop, &c->watcher);
	close(c->watcher.fd);
}

static void
each_mapping_that_fails_gives_the_others_back(void **state)
{
	size_t maps = 0;
	int error;

	(void)state;
	do {
		maps_before_failure = maps++;
		mapped = 0;
		error = begin(4096, 40960);
		assert_true(error == 0 || error == -EAGAIN);
		echo_free(&echo);
		assert_int_equal(mapped, 0);
	} while (error);
	maps_before_failure = SIZE_MAX;
	assert_true(maps > 3);
}

/* What one receive takes in when the peer has sent without end and takes nothing. */
static size_t
fill(struct connection *c)
{
	kernel.window = 0;
	kernel.queued = KERNEL_QUEUE;
	assert_int_equal(echo_on_ready(&echo, c, EV_READ), 0);
	return echo_held(c);
}

static void
rings_are_whole_pages_within_the_memory(void **state)
{
	const struct {
		size_t ring, memory, rings, capacity;
	} samples[] = {{1, 4095, 0, 0}, {1, 4096, 1, 4096}, {4096, 4095, 0, 0},
	        {4096, 4096, 1, 4096}, {4097, 16384, 2, 8192}, {4097, 16383, 1, 8192},
	        {65536, 200000, 3, 65536}, {4096, 0, 0, 0}};

	(void)state;
	assert_int_equal(sysconf(_SC_PAGESIZE), 4096);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct connection all[4];

		mapped = 0;
		assert_int_equal(begin(samples[i].ring, samples[i].memory), 0);
		/* the scratch buffer and the rings' heads come on top */
		assert_in_range(mapped, samples[i].rings * samples[i].capacity,
		        samples[i].memory + 64 * 1024 + 4096);
		for (size_t n = 0; n < ARRAY_SIZE(all); n++) {
			open_connection(&all[n]);
			assert_int_equal(
			        fill(&all[n]), n < samples[i].rings ? samples[i].capacity : 0);
		}
		assert_int_equal(echo_rings_lent(&echo), samples[i].rings);
		assert_int_equal(stats.tcp_without_ring, ARRAY_SIZE(all) - samples[i].rings);
		for (size_t n = 0; n < ARRAY_SIZE(all); n++)
			end_connection(&all[n]);
		assert_int_equal(echo_rings_lent(&echo), 0);
		echo_free(&echo);
		assert_int_equal(mapped, 0);
	}
}

static void
rings_do_not_overlap(void **state)
{
	struct connection all[3];

	(void)state;
	assert_int_equal(begin(4096, ARRAY_SIZE(all) * 4096), 0);
	kernel.window = 0;
	kernel_peer_sends(ARRAY_SIZE(all) * 4096);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		open_connection(&all[i]);
		assert_int_equal(echo_on_ready(&echo, &all[i], EV_READ), 0);
	}
	assert_int_equal(echo_rings_lent(&echo), ARRAY_SIZE(all));
	kernel.window = KERNEL_QUEUE;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		assert_int_equal(echo_on_ready(&echo, &all[i], EV_WRITE), 0);
		assert_int_equal(all[i].sent, 4096);
		assert_null(all[i].watcher.data);
		end_connection(&all[i]);
	}
	assert_true(kernel_echoed_exactly(ARRAY_SIZE(all) * 4096));
	assert_int_equal(echo_rings_lent(&echo), 0);
	assert_int_equal(stats.tcp_received_bytes, ARRAY_SIZE(all) * 4096);
	assert_int_equal(stats.tcp_sent_bytes, ARRAY_SIZE(all) * 4096);
	echo_free(&echo);
}

/* The ring that is still in the cache goes out next, and nothing of its last bytes with it. */
static void
a_ring_given_back_goes_out_next_and_empty(void **state)
{
	struct connection all[3];
	void *ring;

	(void)state;
	assert_int_equal(begin(4096, ARRAY_SIZE(all) * 4096), 0);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		open_connection(&all[i]);
	fill(&all[0]);
	fill(&all[1]);
	ring = all[0].watcher.data;
	echo_release(&echo, &all[0]);
	assert_null(all[0].watcher.data);
	echo_release(&echo, &all[0]); /* it holds none */
	assert_int_equal(echo_rings_lent(&echo), 1);
	kernel_reset();
	fill(&all[2]); /* has the ring that was shared */
	assert_ptr_not_equal(all[2].watcher.data, ring);
	echo_release(&echo, &all[2]);
	kernel_reset();
	kernel.window = 2;
	kernel_peer_sends(5);
	all[2].sent = 0;
	assert_int_equal(echo_on_ready(&echo, &all[2], EV_READ), 0);
	assert_ptr_equal(all[2].watcher.data, ring);
	assert_int_equal(all[2].sent, 2);
	assert_true(all[2].blocked);
	assert_int_equal(echo_held(&all[2]), 3);
	kernel.window = 10;
	assert_int_equal(echo_on_ready(&echo, &all[2], EV_WRITE), 0);
	assert_false(all[2].blocked);
	assert_true(kernel_echoed_exactly(5));
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		end_connection(&all[i]);
	echo_free(&echo);
}

/* A ring that holds bytes stays lent whatever a receive says. */
static void
a_receive_without_bytes_lends_no_ring(void **state)
{
	const struct {
		int error;
		bool finished;
		int empty, owing; /* what echo_on_ready() returns */
	} samples[] = {{EAGAIN, false, 0, 0}, {ECONNRESET, false, -ECONNRESET, -ECONNRESET},
	        {0, true, ECHO_FINISHED, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct connection empty, owing;

		assert_int_equal(begin(4096, 2 * 4096), 0);
		open_connection(&empty);
		open_connection(&owing);
		kernel.window = 0;
		kernel_peer_sends(5);
		assert_int_equal(echo_on_ready(&echo, &owing, EV_READ), 0);
		kernel.receive_error = samples[i].error;
		kernel.finished = samples[i].finished;
		assert_int_equal(echo_on_ready(&echo, &empty, EV_READ), samples[i].empty);
		assert_null(empty.watcher.data);
		assert_int_equal(echo_on_ready(&echo, &owing, EV_READ), samples[i].owing);
		assert_int_equal(echo_held(&owing), 5);
		assert_int_equal(owing.finished, samples[i].finished);
		assert_int_equal(echo_rings_lent(&echo), 1);
		end_connection(&empty);
		end_connection(&owing);
		echo_free(&echo);
	}
}

/* Or they would be sent once more. */
static void
bytes_that_cannot_be_consumed_after_a_peek_are_an_error(void **state)
{
	const struct {
		int error;
		bool lost;
		int result;
	} samples[] = {{0, false, 0}, {EIO, false, -EIO}, {0, true, -EPROTO}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct connection c;

		assert_int_equal(begin(4096, 0), 0);
		open_connection(&c);
		kernel_peer_sends(5);
		kernel.take_error = samples[i].error;
		kernel.lost = samples[i].lost;
		assert_int_equal(echo_on_ready(&echo, &c, EV_READ), samples[i].result);
		assert_int_equal(c.sent, 5);
		assert_int_equal(stats.tcp_sent_bytes, 5);
		assert_true(kernel_echoed_exactly(5));
		end_connection(&c);
		echo_free(&echo);
	}
}

static int
make_loop(void **state)
{
	(void)state;
	loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	return loop ? 0 : -1;
}

static int
destroy_loop(void **state)
{
	(void)state;
	ev_loop_destroy(loop);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_mapping_that_fails_gives_the_others_back),
	        cmocka_unit_test(rings_are_whole_pages_within_the_memory),
	        cmocka_unit_test(rings_do_not_overlap),
	        cmocka_unit_test(a_ring_given_back_goes_out_next_and_empty),
	        cmocka_unit_test(a_receive_without_bytes_lends_no_ring),
	        cmocka_unit_test(bytes_that_cannot_be_consumed_after_a_peek_are_an_error),
	};

	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
