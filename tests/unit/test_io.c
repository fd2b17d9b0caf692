#include "test.h"

#include "echod/io.h"
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct stats stats;
static struct io *io;
static ssize_t received, sent; /* what the callbacks have said */
static bool all_sent;
static size_t failing_callocs, maps_before_failure = SIZE_MAX;
static size_t mapped; /* bytes */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t length);
int __wrap_munmap(void *address, size_t length);

void *
__wrap_calloc(size_t count, size_t size)
{
	if (failing_callocs == 0)
		return __real_calloc(count, size);
	failing_callocs--;
	errno = ENOMEM;
	return NULL;
}

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

static void
on_received(void *owner, struct io_stream *stream, ssize_t result)
{
	assert_ptr_equal(owner, &stats);
	received = result;
	if (result > 0) /* as a connection does: without a ring it is now or never */
		io_send(io, stream);
}

static void
on_sent(void *owner, struct io_stream *stream, ssize_t result, bool all)
{
	(void)stream;
	assert_ptr_equal(owner, &stats);
	sent = result;
	all_sent = all;
}

static struct io *
make(size_t ring_size, size_t ring_memory)
{
	const struct io_config config = {.ring_size = ring_size,
	        .ring_memory = ring_memory,
	        .stats = &stats,
	        .on_received = on_received,
	        .on_sent = on_sent,
	        .owner = &stats};

	stats = (struct stats){0};
	kernel_reset();
	return io_new(&config);
}

static void
without_memory_there_is_none(void **state)
{
	size_t maps = 0;

	(void)state;
	failing_callocs = 1;
	errno = 0;
	assert_null(make(4096, 40960));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(failing_callocs, 0);
	/* each of its mappings fails once; what was mapped before is given back */
	for (; !io; maps++) {
		maps_before_failure = maps;
		mapped = 0;
		errno = 0;
		io = make(4096, 40960);
		if (!io) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(mapped, 0);
		}
	}
	maps_before_failure = SIZE_MAX;
	assert_true(maps > 3);
	io_free(io);
	assert_int_equal(mapped, 0);
	io_free(NULL);
	io = NULL;
}

/* What one receive takes in when the peer has sent without end and takes nothing. */
static size_t
fill(struct io_stream *stream)
{
	kernel.window = 0;
	kernel.queued = KERNEL_QUEUE;
	io_receive(io, stream);
	return io_held(stream);
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
		struct io_stream streams[4] = {0};

		mapped = 0;
		io = make(samples[i].ring, samples[i].memory);
		assert_non_null(io);
		/* the scratch buffer and the rings' heads come on top */
		assert_in_range(mapped, samples[i].rings * samples[i].capacity,
		        samples[i].memory + 64 * 1024 + 4096);
		for (size_t n = 0; n < ARRAY_SIZE(streams); n++)
			assert_int_equal(
			        fill(&streams[n]), n < samples[i].rings ? samples[i].capacity : 0);
		assert_int_equal(io_rings_lent(io), samples[i].rings);
		assert_int_equal(stats.tcp_without_ring, ARRAY_SIZE(streams) - samples[i].rings);
		for (size_t n = 0; n < ARRAY_SIZE(streams); n++)
			io_release(io, &streams[n]);
		assert_int_equal(io_rings_lent(io), 0);
		io_free(io);
		assert_int_equal(mapped, 0);
	}
	io = NULL;
}

static void
rings_do_not_overlap(void **state)
{
	struct io_stream streams[3] = {0};

	(void)state;
	io = make(4096, sizeof(streams) / sizeof(streams[0]) * 4096);
	assert_non_null(io);
	kernel.window = 0;
	kernel_peer_sends(3 * 4096);
	for (size_t i = 0; i < 3; i++)
		io_receive(io, &streams[i]);
	assert_int_equal(io_rings_lent(io), 3);
	kernel.window = KERNEL_QUEUE;
	for (size_t i = 0; i < 3; i++) {
		io_send(io, &streams[i]);
		assert_int_equal(sent, 4096);
		assert_true(all_sent);
		assert_null(streams[i].watcher.data);
	}
	assert_true(kernel_echoed_exactly(3 * 4096));
	assert_int_equal(io_rings_lent(io), 0);
	assert_int_equal(stats.tcp_received_bytes, 3 * 4096);
	assert_int_equal(stats.tcp_sent_bytes, 3 * 4096);
	io_free(io);
}

/* The ring that is still in the cache goes out next, and nothing of its last bytes with it. */
static void
a_ring_given_back_goes_out_next_and_empty(void **state)
{
	struct io_stream streams[3] = {0};
	void *ring;

	(void)state;
	io = make(4096, 3 * 4096);
	assert_non_null(io);
	fill(&streams[0]);
	fill(&streams[1]);
	ring = streams[0].watcher.data;
	io_release(io, &streams[0]);
	assert_null(streams[0].watcher.data);
	io_release(io, &streams[0]); /* it holds none */
	assert_int_equal(io_rings_lent(io), 1);
	kernel_reset();
	fill(&streams[2]); /* has the one that was at hand */
	assert_ptr_not_equal(streams[2].watcher.data, ring);
	io_release(io, &streams[2]);
	kernel_reset();
	kernel.window = 2;
	kernel_peer_sends(5);
	io_receive(io, &streams[2]);
	assert_ptr_equal(streams[2].watcher.data, ring);
	assert_int_equal(received, 5);
	assert_int_equal(sent, 2);
	assert_false(all_sent);
	assert_int_equal(io_held(&streams[2]), 3);
	kernel.window = 10;
	io_send(io, &streams[2]);
	assert_true(all_sent);
	assert_true(kernel_echoed_exactly(5));
	io_release(io, &streams[1]);
	io_free(io);
}

/* A ring that holds bytes is kept whatever a receive says; one that holds none is given back. */
static void
a_receive_without_bytes_lends_no_ring(void **state)
{
	const struct {
		int error;
		bool finished;
		ssize_t result;
	} samples[] = {{EAGAIN, false, -EAGAIN}, {ECONNRESET, false, -ECONNRESET}, {0, true, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct io_stream empty = {0}, owing = {0};

		io = make(4096, 2 * 4096);
		assert_non_null(io);
		kernel.window = 0;
		kernel_peer_sends(5);
		io_receive(io, &owing);
		kernel.receive_error = samples[i].error;
		kernel.finished = samples[i].finished;
		io_receive(io, &empty);
		assert_int_equal(received, samples[i].result);
		assert_null(empty.watcher.data);
		io_receive(io, &owing);
		assert_int_equal(received, samples[i].result);
		assert_int_equal(io_held(&owing), 5);
		assert_int_equal(io_rings_lent(io), 1);
		io_release(io, &owing);
		io_free(io);
	}
}

/* Or it would be sent once more. */
static void
what_was_sent_from_a_look_and_cannot_be_taken_is_an_error(void **state)
{
	const struct {
		int error;
		bool lost;
		ssize_t result;
	} samples[] = {{0, false, 5}, {EIO, false, -EIO}, {0, true, -EPROTO}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct io_stream stream = {0};

		io = make(4096, 0);
		assert_non_null(io);
		kernel_peer_sends(5);
		kernel.take_error = samples[i].error;
		kernel.lost = samples[i].lost;
		io_receive(io, &stream);
		assert_int_equal(received, 5);
		assert_int_equal(sent, samples[i].result);
		assert_true(kernel_echoed_exactly(5));
		io_release(io, &stream);
		io_free(io);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(without_memory_there_is_none),
	        cmocka_unit_test(rings_are_whole_pages_within_the_memory),
	        cmocka_unit_test(rings_do_not_overlap),
	        cmocka_unit_test(a_ring_given_back_goes_out_next_and_empty),
	        cmocka_unit_test(a_receive_without_bytes_lends_no_ring),
	        cmocka_unit_test(what_was_sent_from_a_look_and_cannot_be_taken_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
