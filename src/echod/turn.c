#include "echod/turn.h"

#include <stdlib.h>

struct queue {
	struct batch_call calls[BATCH_MOST]; /* the owner is the stream; NULL: forgotten */
	unsigned n;
};

struct turn {
	struct turn_config config;
	struct ev_check end;
	struct queue receives, sends;
	bool ending;
};

static void
make(struct turn *turn, struct queue *queue, const struct turn_calls *how,
        void (*batch)(struct batch *, struct batch_call *, unsigned))
{
	bool alone = queue->n == 1;
	unsigned n = 0;

	for (unsigned i = 0; i < queue->n; i++) {
		struct batch_call *call = &queue->calls[n];
		void *stream = queue->calls[i].owner;

		if (!stream)
			continue;
		call->owner = stream;
		if (how->prepare(turn->config.owner, stream, alone, call))
			n++;
	}
	queue->n = n;
	if (n > 0)
		batch(turn->config.batch, queue->calls, n);
	for (unsigned i = 0; i < n; i++)
		if (queue->calls[i].owner)
			how->answer(
			        turn->config.owner, queue->calls[i].owner, queue->calls[i].result);
	queue->n = 0;
}

static void
end(struct turn *turn)
{
	turn->ending = true;
	make(turn, &turn->receives, &turn->config.receives, batch_receive);
	make(turn, &turn->sends, &turn->config.sends, batch_send);
	turn->ending = false;
}

static void
turn_on_end(struct ev_loop *loop, struct ev_check *check, int events)
{
	(void)loop;
	(void)events;
	end(check->data);
}

/* While the turn ends, every receive that is answered makes room for the send that it leads to. */
static void
add(struct turn *turn, struct queue *queue, void *stream)
{
	queue->calls[queue->n++].owner = stream;
	if (!turn->ending && turn->receives.n + turn->sends.n == BATCH_MOST)
		end(turn);
}

void
turn_receive(struct turn *turn, void *stream)
{
	add(turn, &turn->receives, stream);
}

void
turn_send(struct turn *turn, void *stream)
{
	add(turn, &turn->sends, stream);
}

static void
forget(struct queue *queue, const void *stream)
{
	for (unsigned i = 0; i < queue->n; i++)
		if (queue->calls[i].owner == stream)
			queue->calls[i].owner = NULL;
}

void
turn_forget(struct turn *turn, const void *stream)
{
	forget(&turn->receives, stream);
	forget(&turn->sends, stream);
}

struct turn *
turn_new(const struct turn_config *config)
{
	struct turn *turn = calloc(1, sizeof(*turn));

	if (!turn)
		return NULL;
	turn->config = *config;
	ev_check_init(&turn->end, turn_on_end);
	ev_set_priority(&turn->end, EV_MINPRI);
	turn->end.data = turn;
	ev_check_start(config->loop, &turn->end);
	return turn;
}

void
turn_free(struct turn *turn)
{
	if (!turn)
		return;
	ev_check_stop(turn->config.loop, &turn->end);
	free(turn);
}
