#include "test.h"

#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char path[] = "/tmp/echod-listeners-XXXXXX", stats_a[64], stats_b[64];

/* What these options choose among those that are known. */
static int
choose(struct listening *l, const struct listeners *known, const char *const *arguments)
{
	char *argv[16];
	int argc = 0;

	*l = (struct listening){0};
	for (; arguments[argc]; argc++)
		argv[argc] = (char *)(uintptr_t)arguments[argc];
	argv[argc] = NULL;
	assert_int_equal(options_read(&l->options, argc, argv, l->problem, sizeof(l->problem)),
	        OPTIONS_READ);
	return listeners_choose(&l->listeners, known, &l->options, l->problem, sizeof(l->problem));
}

#define CHOOSE(l, known, ...) choose(l, known, (const char *const[]){"echod", __VA_ARGS__, NULL})

/* Those that others use stay open. */
static void
end(struct listening *l, const struct listeners *others)
{
	listeners_close(&l->listeners, others);
	sockets_end(l);
}

static size_t
shared(const struct listening *a, const struct listening *b)
{
	size_t count = 0;

	for (size_t i = 0; i < a->listeners.count; i++)
		count += listeners_have(&b->listeners, a->listeners.all[i].listen_fd);
	return count;
}

static void
those_that_are_wanted_again_are_chosen(void **state)
{
	static const struct {
		const char *first, *second;
		size_t shared, count;
	} samples[] = {
	        {"--listen=127.0.0.1:0", "--listen=127.0.0.2:0", 2, 4},
	        {"--listen=127.0.0.2:0", "--listen=127.0.0.3:0", 0, 4},
	        {"--listen=127.0.0.1:0", "--udp=off", 1, 1},
	        {"--listen=[::1]:0", "--tcp=on", 0, 2},
	};
	struct listening old, new;

	(void)state;
	assert_int_equal(LISTEN(&old, "--listen=127.0.0.1:0"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		size_t before = sockets_open();

		assert_int_equal(
		        CHOOSE(&new, &old.listeners, samples[i].first, samples[i].second), 0);
		assert_int_equal(new.listeners.count, samples[i].count);
		assert_int_equal(shared(&new, &old), samples[i].shared);
		assert_int_equal(sockets_open() - before, samples[i].count - samples[i].shared);
		end(&new, &old.listeners);
		assert_int_equal(sockets_open(), before);
	}
	/* each for one alone */
	assert_int_equal(
	        CHOOSE(&new, &old.listeners, "--listen=127.0.0.1:0", "--listen=127.0.0.1:0"),
	        -EADDRINUSE);
	end(&new, &old.listeners);
	assert_int_equal(CHOOSE(&new, &old.listeners, "--port=0"), 0);
	assert_int_equal(shared(&new, &old), 0); /* everywhere is another socket */
	end(&new, &old.listeners);
	sockets_end(&old);
}

/* A free port is the same for all, known or new. */
static void
new_ones_share_a_known_free_port(void **state)
{
	struct listening old, new;

	(void)state;
	assert_int_equal(LISTEN(&old, "--port=0", "--udp=off"), 0);
	assert_int_equal(CHOOSE(&new, &old.listeners, "--port=0"), 0);
	assert_int_equal(new.listeners.count, 2);
	assert_int_equal(shared(&new, &old), 1);
	assert_int_equal(address_port(&new.listeners.all[1].address),
	        address_port(&old.listeners.all[0].address));
	end(&new, &old.listeners);
	sockets_end(&old);
}

static void
a_host_without_ipv6_keeps_its_sockets(void **state)
{
	struct listening old, new;

	(void)state;
	sockets.family_error = EAFNOSUPPORT;
	assert_int_equal(LISTEN(&old, "--port=0", "--tcp=off"), 0);
	sockets_reset();
	assert_int_equal(CHOOSE(&new, &old.listeners, "--port=0", "--tcp=off"), 0);
	assert_int_equal(new.listeners.count, 1);
	assert_int_equal(shared(&new, &old), 1);
	end(&new, &old.listeners);
	sockets_end(&old);
}

static void
without_memory_nothing_is_left_open(void **state)
{
	struct listening old, new;

	(void)state;
	assert_int_equal(LISTEN(&old, "--listen=127.0.0.1:0", "--udp=off"), 0);
	for (size_t calls = 0, error = 1; error; calls++) {
		size_t before = sockets_open();

		/* two realloc(3), a socket(2), a bind(2), and another realloc(3) for the counters
		 */
		sockets.calls_before_failure = SIZE_MAX;
		new = (struct listening){.options = {.tcp = true, .stats_socket = stats_a}};
		new.options.listen = old.options.listen;
		new.options.udp = true;
		sockets.calls_before_failure = calls;
		error = (size_t)-listeners_choose(&new.listeners, &old.listeners, &new.options,
		        new.problem, sizeof(new.problem));
		assert_true(!error == !new.problem[0]);
		assert_true(calls < 10);
		listeners_close(&new.listeners, &old.listeners);
		assert_int_equal(sockets_open(), before);
		assert_int_not_equal(access(stats_a, F_OK), 0);
	}
	sockets_reset();
	old.listeners.all[0].handed_over = true;
	sockets.calls_before_failure = 0;
	assert_int_equal(listeners_choose(&new.listeners, &old.listeners, &new.options, new.problem,
	                         sizeof(new.problem)),
	        -ENOMEM);
	assert_string_equal(new.problem, strerror(ENOMEM));
	listeners_close(&new.listeners, &old.listeners);
	sockets_reset();
	sockets_end(&old);
}

/* A start that failed leaves them to the next one. */
static void
what_is_only_forgotten_stays_open(void **state)
{
	struct listeners again = {0};
	struct listening old;
	size_t before;

	(void)state;
	assert_int_equal(LISTEN(&old, "--listen=127.0.0.1:0"), 0);
	before = sockets_open();
	again.all = calloc(old.listeners.count, sizeof(*again.all));
	again.count = old.listeners.count;
	memcpy(again.all, old.listeners.all, again.count * sizeof(*again.all));
	listeners_close(&again, &again);
	assert_int_equal(again.count, 0);
	assert_int_equal(sockets_open(), before);
	end(&old, NULL);
}

static void
the_stats_socket_stays_or_moves(void **state)
{
	struct listening old, new;
	char option_a[96], option_b[96];

	(void)state;
	snprintf(option_a, sizeof(option_a), "--stats-socket=%s", stats_a);
	snprintf(option_b, sizeof(option_b), "--stats-socket=%s", stats_b);
	assert_int_equal(LISTEN(&old, "--listen=127.0.0.1:0", option_a), 0);
	assert_int_equal(CHOOSE(&new, &old.listeners, "--listen=127.0.0.1:0", option_a), 0);
	assert_int_equal(listeners_stats(&new.listeners), listeners_stats(&old.listeners));
	end(&new, &old.listeners);
	assert_int_equal(access(stats_a, F_OK), 0);
	assert_int_equal(CHOOSE(&new, &old.listeners, "--listen=127.0.0.1:0", option_b), 0);
	assert_int_not_equal(listeners_stats(&new.listeners), listeners_stats(&old.listeners));
	end(&new, &old.listeners);
	assert_int_equal(access(stats_a, F_OK), 0);
	assert_int_not_equal(access(stats_b, F_OK), 0);
	sockets_end(&old);
	assert_int_not_equal(access(stats_a, F_OK), 0);
}

/* By way of the file. */
static void
what_is_saved_is_restored(void **state)
{
	static struct handover_writer writer;
	struct listening old;
	struct listeners known;
	struct handover handover;
	int state_fd = memfd_create("state", 0);

	(void)state;
	assert_int_equal(LISTEN(&old, "--port=0"), 0);
	old.listeners.all[1].drops = 7;
	handover_begin(&writer, state_fd);
	listeners_save(&old.listeners, NULL, &writer);
	listeners_save(&old.listeners, &old.listeners, &writer); /* nothing more */
	assert_int_equal(handover_end(&writer), 0);
	assert_int_equal(handover_open(&handover, state_fd, old.problem, sizeof(old.problem)), 0);
	assert_int_equal(listeners_restore(
	                         &known, &handover, &old.options, old.problem, sizeof(old.problem)),
	        0);
	assert_int_equal(known.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct listener *a = &known.all[i], *b = &old.listeners.all[i];

		assert_int_equal(a->listen_fd, b->listen_fd);
		assert_int_equal(a->type, b->type);
		assert_true(a->dual_stack && !a->handed_over && !a->for_stats);
		assert_int_equal(a->drops, b->drops);
		assert_memory_equal(&a->wanted.in6, &b->wanted.in6, sizeof(a->wanted.in6));
		assert_memory_equal(&a->address.in6, &b->address.in6, sizeof(a->address.in6));
	}
	listeners_close(&known, &old.listeners);

	sockets_end(&old);
	assert_true(listeners_restore(
	                    &known, &handover, &old.options, old.problem, sizeof(old.problem)) < 0);
	assert_int_equal(known.count, 1);
	known.all[0].listen_fd = -1;
	listeners_close(&known, NULL);
	sockets.calls_before_failure = 0;
	assert_int_equal(listeners_restore(
	                         &known, &handover, &old.options, old.problem, sizeof(old.problem)),
	        -ENOMEM);
	listeners_close(&known, NULL);
	handover_free(&handover);
	close(state_fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(those_that_are_wanted_again_are_chosen, sockets_setup),
	        cmocka_unit_test_setup(new_ones_share_a_known_free_port, sockets_setup),
	        cmocka_unit_test_setup(a_host_without_ipv6_keeps_its_sockets, sockets_setup),
	        cmocka_unit_test_setup(without_memory_nothing_is_left_open, sockets_setup),
	        cmocka_unit_test_setup(what_is_only_forgotten_stays_open, sockets_setup),
	        cmocka_unit_test_setup(the_stats_socket_stays_or_moves, sockets_setup),
	        cmocka_unit_test_setup(what_is_saved_is_restored, sockets_setup),
	};
	int failed;

	if (!mkdtemp(path))
		return EXIT_FAILURE;
	snprintf(stats_a, sizeof(stats_a), "%s/a", path);
	snprintf(stats_b, sizeof(stats_b), "%s/b", path);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(path);
	return failed;
}
