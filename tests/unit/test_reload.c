#include "test.h"

#include "reloading.h"

#include "echod/connection_begin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection as accept4(2) would give one. */
static struct connection *
connected(struct parts *parts, int *other)
{
	const struct address peer = {
	        .length = sizeof(peer.in4), .in4 = {AF_INET, 9, {htonl(0xc0000201)}, {0}}};
	struct connections *connections = parts->reload.connections;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	*other = ends[1];
	assert_int_equal(connection_open(connections, ends[0], &peer), 0);
	return connections_at(connections, connections_slots(connections) - 1);
}

/* Gives it a ring that holds "wrapped around". */
static void
lend(struct parts *parts, struct connection *c)
{
	struct ring *ring = ring_pool_take(&parts->reload.connections->echo.rings);

	ring->head = ring->size - 4;
	ring->used = 14;
	memcpy(ring->bytes + ring->head, "wrap", 4);
	memcpy(ring->bytes, "ped around", 10);
	c->watcher.data = ring;
	c->blocked = true;
}

enum { IDLE, OWES, ENDS, WAITS, LINGERS, AWAITS, N_CONNECTIONS };

static void
expect_restored(struct parts *parts)
{
	struct connections *all = parts->reload.connections;
	struct connection *c = connections_at(all, 0);

	assert_int_equal(connections_open_now(all), N_CONNECTIONS);
	assert_int_equal(connections_now(all), 1234);
	for (uint32_t i = 0; i < N_CONNECTIONS; i++) {
		bool owes = i == OWES || i == ENDS;

		assert_int_equal(c[i].sent, 100 + i);
		assert_int_equal(echo_held(&c[i]), owes ? 14 : 0);
		if (owes)
			assert_memory_equal(
			        ((struct ring *)c[i].watcher.data)->bytes, "wrapped around", 14);
		assert_int_equal(c[i].finished, i == ENDS || i == LINGERS);
		assert_int_equal(c[i].blocked, owes || i == WAITS);
		assert_int_equal(c[i].lingers, i == LINGERS);
		assert_int_equal(ev_is_active(&c[i].watcher), i != LINGERS);
		assert_int_equal(connection_awaits_header(&c[i]), i == AWAITS);
		assert_int_equal(all->deliveries[i].acked, 10 * i);
		assert_int_equal(all->deliveries[i].waiting_since, 1200 + i);
		if (i != LINGERS)
			assert_int_equal(c[i].active_at, 1230 + i);
	}
	assert_int_equal(c[IDLE].watcher.events & 3, EV_READ);
	assert_int_equal(c[OWES].watcher.events & 3, EV_READ | EV_WRITE);
	assert_int_equal(c[ENDS].watcher.events & 3, EV_WRITE);
	assert_int_equal(c[WAITS].watcher.events & 3, EV_WRITE);
	assert_int_equal(connections_lingering(all), 1);
	assert_ptr_equal(connections_lingering_at(all, 0), &c[LINGERS]);
	assert_int_equal(parts->stats.tcp_open, N_CONNECTIONS);
	assert_int_equal(parts->stats.tcp_accepted, N_CONNECTIONS);
	assert_int_equal(parts->stats.udp_received, 77);
	assert_int_equal(parts->reload.log_lost, 3);
	assert_int_equal(acceptor_bucket(parts->reload.acceptor)->full_at_ns, 4242);
	assert_int_equal(parts->reload.other_files, 5);
}

/* Executes nothing, and goes on in another daemon of the same process. */
static void
everything_survives(void **state)
{
	const struct in6_addr source = {.s6_addr = {0x20, 1}};
	const struct train train = {.length = 1};
	struct parts old, new;
	struct handover handover;
	int others[N_CONNECTIONS];
	char fd[16];

	(void)state;
	for (int with_details = 0; with_details <= 1; with_details++) {
		/* fewer than there are, too small and too few rings */
		struct connections_config less = {.limit = 2, .ring_size = 1, .ring_memory = 1};

		less.source_limit = with_details ? 1 : 0;
		less.log_exits = !with_details; /* then the peer is not known */
		make(&old);
		if (with_details) {
			struct connections_config details = plain;

			unmake(&old, NULL);
			details.log_exits = true;
			make_with(&old, arguments, argc_now, NULL, &details);
		}
		connections_advance(old.reload.connections, 1234);
		for (uint32_t i = 0; i < N_CONNECTIONS; i++) {
			struct connection *c = connected(&old, &others[i]);

			c->sent = 100 + i;
			c->active_at = 1230 + i;
			c->finished = i == ENDS;
			c->blocked = i == WAITS;
			if (i == OWES || i == ENDS)
				lend(&old, c);
			old.reload.connections->deliveries[i] = (struct delivery){10 * i, 1200 + i};
			if (i == AWAITS)
				connection_await_header(c);
			if (i == LINGERS) {
				ev_io_stop(old.loop, &c->watcher);
				connection_linger(old.reload.connections, c);
			}
		}
		old.stats.udp_received = 77;
		old.stats.log_lost = 3;
		acceptor_bucket(old.reload.acceptor)->full_at_ns = 4242;
		assert_int_equal(source_tokens_take(udp_tokens(old.reload.udp), &source, &train,
		                         UINT64_MAX / 2),
		        1);
		reload_execute(&old.reload, problem, sizeof(problem));
		assert_string_equal(problem, "/usr/sbin/echod: Exec format error");

		snprintf(fd, sizeof(fd), "%d", calls.state_fd);
		setenv("ECHOD_STATE_FD", fd, 1);
		assert_int_equal(
		        reload_begin(argc_now, arguments, &handover, problem, sizeof(problem)), 0);
		assert_null(getenv("ECHOD_STATE_FD"));
		assert_int_equal(fcntl(calls.state_fd, F_GETFD), -1);
		assert_int_equal(handover.connections, N_CONNECTIONS);
		make_with(&new, arguments, argc_now, &handover, &less);
		assert_int_equal(new.listeners.all[0].listen_fd, old.listeners.all[0].listen_fd);
		reload_restore(&new.reload, new.loop, &new.listeners, &handover);
		assert_non_null(handover.bytes);
		ev_invoke(new.loop, &new.reload.first_iteration, EV_CHECK);
		assert_null(handover.bytes);
		expect_restored(&new);
		assert_true(connections_overfull(new.reload.connections));
		assert_int_equal(new.stats.reloads, 1);
		for (uint32_t i = 0; i < 19; i++)
			assert_int_equal(source_tokens_take(udp_tokens(new.reload.udp), &source,
			                         &train, UINT64_MAX / 2),
			        1);
		assert_int_equal(source_tokens_take(udp_tokens(new.reload.udp), &source, &train,
		                         UINT64_MAX / 2),
		        0);
		if (with_details) /* who they are counts for the limit of their source */
			assert_int_equal(
			        connection_open(new.reload.connections, 0,
			                &(struct address){
			                        .in4 = {AF_INET, 9, {htonl(0xc0000201)}, {0}}}),
			        -EDQUOT);
		unmake(&old, &new);
		unmake(&new, NULL);
		for (uint32_t i = 0; i < N_CONNECTIONS; i++)
			close(others[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(everything_survives, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
