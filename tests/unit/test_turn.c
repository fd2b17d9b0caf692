#include "test.h"

#include "echod/turn.h"

#include <string.h>

enum {
	STREAMS = 2 * BATCH_MOST,
};

struct stream {
	bool replies;                 /* a send follows its receive */
	bool by_itself;               /* prepare makes the call itself */
	struct stream *ends;          /* is forgotten when this one is answered */
	int receives, sends;          /* answers */
	int prepared, prepared_alone; /* calls of prepare */
	ssize_t result;
};

static struct ev_loop *loop;
static struct turn *turn;
static struct stream streams[STREAMS];
static unsigned batches[16], n_batches; /* their sizes */
static int owner;

void __wrap_batch_receive(struct batch *batch, struct batch_call *calls, unsigned n);
void __wrap_batch_send(struct batch *batch, struct batch_call *calls, unsigned n);

/* The answer is the descriptor, which says whose it is. */
void
__wrap_batch_receive(struct batch *batch, struct batch_call *calls, unsigned n)
{
	assert_ptr_equal(batch, &owner);
	assert_in_range(n, 1, BATCH_MOST);
	for (unsigned i = 0; i < n; i++)
		calls[i].result = calls[i].fd;
	batches[n_batches++] = n;
}

void
__wrap_batch_send(struct batch *batch, struct batch_call *calls, unsigned n)
{
	__wrap_batch_receive(batch, calls, n);
}

static bool
prepare(void *of, void *stream, bool alone, struct batch_call *call)
{
	struct stream *s = stream;

	assert_ptr_equal(of, &owner);
	s->prepared++;
	s->prepared_alone += alone;
	call->fd = (int)(s - streams);
	return !alone && !s->by_itself;
}

static void
on_received(void *of, void *stream, ssize_t result)
{
	struct stream *s = stream;

	assert_ptr_equal(of, &owner);
	s->receives++;
	s->result = result;
	if (s->ends)
		turn_forget(turn, s->ends);
	if (s->replies)
		turn_send(turn, s);
}

static void
on_sent(void *of, void *stream, ssize_t result)
{
	struct stream *s = stream;

	assert_ptr_equal(of, &owner);
	s->sends++;
	s->result = result;
}

static struct turn *
new_turn(void)
{
	const struct turn_config config = {.loop = loop,
	        .batch = (struct batch *)&owner,
	        .receives = {prepare, on_received},
	        .sends = {prepare, on_sent},
	        .owner = &owner};

	return turn_new(&config);
}

static void
begin(void)
{
	memset(streams, 0, sizeof(streams));
	n_batches = 0;
	loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	turn = new_turn();
	assert_non_null(turn);
}

static void
done(void)
{
	turn_free(turn);
	turn_free(NULL);
	assert_int_equal(ev_pending_count(loop), 0);
	ev_loop_destroy(loop);
}

static void
end_of_turn(void)
{
	ev_run(loop, EVRUN_NOWAIT);
}

static void
receives_come_first_and_sends_together(void **state)
{
	(void)state;
	begin();
	streams[0].replies = streams[1].replies = true;
	turn_send(turn, &streams[3]);
	for (int i = 0; i < 3; i++)
		turn_receive(turn, &streams[i]);
	assert_int_equal(n_batches, 0);
	end_of_turn();
	assert_int_equal(n_batches, 2);
	assert_int_equal(batches[0], 3);
	assert_int_equal(batches[1], 3);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(streams[i].receives, i < 3);
		assert_int_equal(streams[i].sends, i != 2);
		assert_int_equal(streams[i].result, i); /* to each its own */
	}
	end_of_turn();
	assert_int_equal(n_batches, 2);
	done();
}

static void
alone_it_is_no_batch(void **state)
{
	(void)state;
	begin();
	turn_receive(turn, &streams[0]);
	turn_send(turn, &streams[1]);
	end_of_turn();
	assert_int_equal(n_batches, 0);
	assert_int_equal(streams[0].prepared_alone, 1);
	assert_int_equal(streams[1].prepared_alone, 1);
	done();
}

static void
who_makes_its_call_itself_is_not_in_the_batch(void **state)
{
	(void)state;
	begin();
	streams[1].by_itself = true;
	for (int i = 0; i < 3; i++)
		turn_receive(turn, &streams[i]);
	end_of_turn();
	assert_int_equal(n_batches, 1);
	assert_int_equal(batches[0], 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(streams[i].prepared, 1);
		assert_int_equal(streams[i].receives, i != 1);
		assert_int_equal(streams[i].result, i != 1 ? i : 0);
	}
	done();
}

/* Before, after and while they are answered. */
static void
who_has_ended_is_neither_called_nor_answered(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 4; i++)
		turn_receive(turn, &streams[i]);
	turn_send(turn, &streams[4]);
	turn_send(turn, &streams[5]);
	turn_send(turn, &streams[6]);
	turn_forget(turn, &streams[0]);
	turn_forget(turn, &streams[4]);
	turn_forget(turn, &streams[7]);
	streams[1].ends = &streams[2];
	streams[3].ends = &streams[5];
	end_of_turn();
	assert_int_equal(batches[0], 3);
	assert_int_equal(streams[0].prepared, 0);
	assert_int_equal(streams[1].receives, 1);
	assert_int_equal(streams[2].prepared, 1);
	assert_int_equal(streams[2].receives, 0);
	assert_int_equal(streams[3].receives, 1);
	assert_int_equal(streams[4].prepared, 0);
	assert_int_equal(streams[5].prepared, 0);
	assert_int_equal(streams[6].sends, 1);
	done();
}

/* A full batch does not wait for the end, and what it leads to goes out with it. */
static void
a_full_batch_is_made_at_once(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < BATCH_MOST / 2; i++)
		turn_send(turn, &streams[BATCH_MOST + i]);
	for (int i = 0; i < BATCH_MOST / 2; i++) {
		streams[i].replies = true;
		assert_int_equal(n_batches, 0);
		turn_receive(turn, &streams[i]);
	}
	assert_int_equal(n_batches, 2);
	assert_int_equal(batches[0], BATCH_MOST / 2);
	assert_int_equal(batches[1], BATCH_MOST);
	turn_receive(turn, &streams[0]);
	turn_receive(turn, &streams[1]);
	end_of_turn();
	assert_int_equal(n_batches, 4);
	assert_int_equal(streams[0].receives, 2);
	assert_int_equal(streams[1].sends, 2);
	assert_int_equal(streams[2].sends, 1);
	assert_int_equal(streams[BATCH_MOST].sends, 1);
	done();
}

/* The sends that a batch of receives leads to wait for it to be over, be they ever so many. */
static void
answers_do_not_begin_another_batch(void **state)
{
	const int most = BATCH_MOST - 1;

	(void)state;
	begin();
	for (int i = 0; i < most; i++) {
		streams[i].replies = true;
		turn_receive(turn, &streams[i]);
	}
	end_of_turn();
	assert_int_equal(n_batches, 2);
	assert_int_equal(batches[0], most);
	assert_int_equal(batches[1], most);
	for (int i = 0; i < most; i++) {
		assert_int_equal(streams[i].receives, 1);
		assert_int_equal(streams[i].sends, 1);
	}
	done();
}

static void
on_other(struct ev_loop *of, struct ev_check *check, int events)
{
	(void)of;
	(void)events;
	turn_receive(turn, check->data);
}

static void
it_ends_after_all_that_the_turn_called(void **state)
{
	struct ev_check others[2];

	(void)state;
	for (int order = 0; order < 2; order++) { /* libev may call those started last first */
		begin();
		for (int i = 0; i < 2; i++) {
			ev_check_init(&others[i], on_other);
			others[i].data = &streams[i];
		}
		if (order == 1)
			turn_free(turn);
		ev_check_start(loop, &others[0]);
		ev_check_start(loop, &others[1]);
		if (order == 1)
			turn = new_turn();
		end_of_turn();
		assert_int_equal(n_batches, 1);
		assert_int_equal(batches[0], 2);
		ev_check_stop(loop, &others[0]);
		ev_check_stop(loop, &others[1]);
		done();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(receives_come_first_and_sends_together),
	        cmocka_unit_test(alone_it_is_no_batch),
	        cmocka_unit_test(who_makes_its_call_itself_is_not_in_the_batch),
	        cmocka_unit_test(who_has_ended_is_neither_called_nor_answered),
	        cmocka_unit_test(a_full_batch_is_made_at_once),
	        cmocka_unit_test(answers_do_not_begin_another_batch),
	        cmocka_unit_test(it_ends_after_all_that_the_turn_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
