#include "echod/gate.h"

#include "echod/loop.h"

#include <stddef.h>

static void
gate_on_pause_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	gate_open(timer->data, GATE_PAUSED);
}

void
gate_init(struct gate *gate, struct ev_loop *loop)
{
	*gate = (struct gate){.loop = loop};
	ev_timer_init(&gate->pause, gate_on_pause_over, 0, 0);
	gate->pause.data = gate;
	loop_poke_init(&gate->poke);
}

static void
start_watcher(struct gate *gate, struct ev_io *io)
{
	/* set again, so that libev asks epoll even if epoll has just refused the socket */
	ev_io_set(io, io->fd, EV_READ);
	ev_io_start(gate->loop, io);
}

void
gate_add(struct gate *gate, struct gate_watcher *watcher)
{
	watcher->next = gate->watchers;
	gate->watchers = watcher;
	start_watcher(gate, &watcher->io);
	loop_poke(gate->loop, &gate->poke);
}

void
gate_close(struct gate *gate, unsigned reasons)
{
	gate->closed |= reasons;
	for (struct gate_watcher *watcher = gate->watchers; watcher; watcher = watcher->next)
		ev_io_stop(gate->loop, &watcher->io);
}

void
gate_open(struct gate *gate, unsigned reasons)
{
	gate->closed &= ~reasons;
	if (gate->closed)
		return;
	for (struct gate_watcher *watcher = gate->watchers; watcher; watcher = watcher->next)
		start_watcher(gate, &watcher->io);
	loop_poke(gate->loop, &gate->poke);
}

void
gate_pause(struct gate *gate)
{
	gate_close(gate, GATE_PAUSED);
	/* from now on, not from the beginning of the iteration */
	ev_now_update(gate->loop);
	ev_timer_stop(gate->loop, &gate->pause);
	ev_timer_set(&gate->pause, GATE_PAUSE_MS / 1000., 0);
	ev_timer_start(gate->loop, &gate->pause);
}

void
gate_stop(struct gate *gate)
{
	for (struct gate_watcher *watcher = gate->watchers; watcher; watcher = watcher->next)
		ev_io_stop(gate->loop, &watcher->io);
	ev_timer_stop(gate->loop, &gate->pause);
	ev_timer_stop(gate->loop, &gate->poke);
}
