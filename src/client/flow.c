#include "echod/client/flow.h"

#include "echod/common/clock.h"
#include "echod/common/reflection.h"

#include <errno.h>
#include <unistd.h>

enum {
	MIN_CAPACITY = 64, /* how many numbers are remembered, to know a duplicate */
};

#define ERROR_PAUSE_S  1.0
#define ENDING_LIMIT_S 1.0

static double
seconds(uint64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static void
arm(struct ev_loop *loop, ev_timer *timer, double after_s)
{
	ev_timer_stop(loop, timer);
	ev_now_update(loop);
	ev_timer_set(timer, after_s, 0.);
	ev_timer_start(loop, timer);
}

uint64_t
flow_oldest_pending(struct flow *flow)
{
	while (flow->oldest < flow->begun && !inflight_is_pending(&flow->inflight, flow->oldest))
		flow->oldest++;
	return flow->oldest;
}

static void
end(struct flow *flow)
{
	struct ev_loop *loop = flow->plan->loop;

	ev_io_stop(loop, &flow->io);
	ev_timer_stop(loop, &flow->pace);
	ev_timer_stop(loop, &flow->deadline);
	if (flow->peer_fd >= 0)
		close(flow->peer_fd);
	flow->peer_fd = -1;
	flow->state = FLOW_ENDED;
}

static void
lose(struct flow *flow, uint64_t number, int error)
{
	inflight_give_up(&flow->inflight, number);
	flow->tally.lost++;
	flow->plan->on_exchange(flow->plan->owner,
	        &(struct exchange){
	                .flow = flow, .number = number, .result = EXCHANGE_LOST, .error = error});
}

static void
lose_all(struct flow *flow, int error)
{
	while (flow_oldest_pending(flow) < flow->begun)
		lose(flow, flow->oldest, error);
}

void
flow_finish(struct flow *flow)
{
	lose_all(flow, flow->error);
	end(flow);
	flow->plan->on_end(flow->plan->owner, flow);
}

void
flow_fail(struct flow *flow, int error)
{
	bool first = flow->tally.echoed == 0 && flow->tally.corrupted == 0;

	if (flow->state == FLOW_ENDING) { /* all was said: how the peer leaves does not matter */
		flow_finish(flow);
		return;
	}
	flow->error = error;
	if (!flow->plan->dial.datagram || flow->state == FLOW_CONNECTING) {
		flow_finish(flow);
	} else if (first && flow->plan->give_way) {
		end(flow);
		flow->opened = false;
		flow->plan->on_end(flow->plan->owner, flow);
	} else {
		/* the peer's host said so for all that are on their way; the next may fare better
		 */
		lose_all(flow, error);
		flow_go_on(flow);
	}
}

/* All is said. A peer that echoes ends its side when we end ours; what it sends before is surplus.
 */
static void
say_goodbye(struct flow *flow)
{
	double wait_s = seconds(flow->plan->timeout_ns);

	ev_timer_stop(flow->plan->loop, &flow->pace);
	if (flow->plan->dial.datagram || shutdown(flow->peer_fd, SHUT_WR) < 0) {
		flow_finish(flow);
		return;
	}
	flow->state = FLOW_ENDING;
	arm(flow->plan->loop, &flow->deadline, wait_s < ENDING_LIMIT_S ? wait_s : ENDING_LIMIT_S);
}

void
flow_go_on(struct flow *flow)
{
	if (flow->state != FLOW_OPEN)
		return;
	if (flow->begun < flow->limit) {
		/* a pause after an error, or a dead peer would be asked as fast as we can */
		if (flow->plan->interval_ns == 0 && flow->inflight.pending == 0)
			arm(flow->plan->loop, &flow->pace, flow->error ? ERROR_PAUSE_S : 0.);
	} else if (flow->inflight.pending == 0) {
		say_goodbye(flow);
	}
}

static void
begin(struct flow *flow)
{
	size_t slot = flow->begun % flow->inflight.capacity;
	struct inflight_slot *s = &flow->inflight.slots[slot];

	if (s->state == INFLIGHT_PENDING) /* only after the whole process stood still */
		lose(flow, s->number, 0);
	flow->error = 0;
	flow->begun++;
	flow->tally.sent++;
	inflight_begin(&flow->inflight, slot, clock_now_ns());
	if (!ev_is_active(&flow->deadline))
		arm(flow->plan->loop, &flow->deadline, seconds(flow->plan->timeout_ns));
	flow_send(flow);
}

static void
flow_on_open(struct flow *flow)
{
	flow->opened = true;
	flow->state = FLOW_OPEN;
	flow->connect_ns = clock_now_ns() - flow->started_ns;
	ev_timer_stop(flow->plan->loop, &flow->deadline);
	dial_source(flow->peer_fd, &flow->source);
	flow->plan->on_open(flow->plan->owner, flow);
	if (flow->plan->interval_ns > 0) {
		double interval_s = seconds(flow->plan->interval_ns);

		ev_now_update(flow->plan->loop);
		ev_timer_set(&flow->pace, interval_s, interval_s);
		ev_timer_start(flow->plan->loop, &flow->pace);
	}
	begin(flow);
}

/* Each flow's own port: those that reflectors refuse are left out. 0 when there is none left. */
static uint16_t
choose_port(const struct flow_plan *plan, size_t index)
{
	uint32_t port = plan->source_port;

	for (;; port++) {
		bool refused = plan->dial.datagram && (reflection_port_refused((uint16_t)port) ||
		                                              port == address_port(&plan->dial.to));

		if (port > UINT16_MAX)
			return 0;
		if (!refused && index-- == 0)
			return (uint16_t)port;
	}
}

static void
open_socket(struct flow *flow)
{
	const struct flow_plan *plan = flow->plan;
	struct dial dial = plan->dial;

	if (plan->source_port > 0) {
		dial.from.length = dial.to.length;
		dial.from.any.sa_family = dial.to.any.sa_family;
		address_set_port(&dial.from, choose_port(plan, flow->index));
	}
	flow->state = FLOW_CONNECTING;
	flow->started_ns = clock_now_ns();
	flow->peer_fd = dial_open(&dial);
	if (flow->peer_fd < 0) {
		flow_fail(flow, flow->peer_fd);
		return;
	}
	ev_io_set(&flow->io, flow->peer_fd, dial.datagram ? EV_READ : EV_WRITE);
	ev_io_start(plan->loop, &flow->io);
	arm(plan->loop, &flow->deadline, seconds(plan->timeout_ns));
	if (dial.datagram)
		flow_on_open(flow);
}

static void
flow_on_pace(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct flow *flow = timer->data;

	(void)loop;
	(void)revents;
	if (flow->state == FLOW_WAITING)
		open_socket(flow);
	else if (flow->begun < flow->limit)
		begin(flow);
}

static void
flow_on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct flow *flow = timer->data;
	uint64_t now_ns = clock_now_ns(), timeout_ns = flow->plan->timeout_ns;

	(void)revents;
	if (flow->state == FLOW_CONNECTING) {
		flow_fail(flow, -ETIMEDOUT);
		return;
	}
	if (flow->state == FLOW_ENDING) {
		flow_finish(flow);
		return;
	}
	/* armed for one that may be back by now: look for the oldest that is not */
	while (flow_oldest_pending(flow) < flow->begun) {
		uint64_t age_ns = now_ns - inflight_slot(&flow->inflight, flow->oldest)->started_ns;

		if (age_ns < timeout_ns) {
			arm(loop, timer, seconds(timeout_ns - age_ns));
			return;
		}
		lose(flow, flow->oldest, 0);
	}
	flow_go_on(flow);
}

static void
flow_on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct flow *flow = io->data;

	(void)loop;
	if (flow->state == FLOW_CONNECTING) {
		int error = dial_result(flow->peer_fd);

		if (error)
			flow_fail(flow, error);
		else
			flow_on_open(flow);
		return;
	}
	if (revents & EV_WRITE)
		flow_send(flow);
	if (flow->state != FLOW_ENDED && (revents & EV_READ))
		flow_receive(flow);
}

int
flow_start(struct flow *flow, const struct flow_plan *plan, size_t index, double delay_s)
{
	uint64_t pending = plan->interval_ns ? plan->timeout_ns / plan->interval_ns + 2 : 1;

	*flow = (struct flow){.plan = plan, .index = index, .limit = plan->count, .peer_fd = -1};
	ev_init(&flow->io, flow_on_io);
	ev_init(&flow->pace, flow_on_pace);
	ev_init(&flow->deadline, flow_on_deadline);
	flow->io.data = flow->pace.data = flow->deadline.data = flow;
	arm(plan->loop, &flow->pace, delay_s);
	return inflight_init(
	        &flow->inflight, 2 * pending > MIN_CAPACITY ? (size_t)(2 * pending) : MIN_CAPACITY);
}

void
flow_stop(struct flow *flow)
{
	if (flow->state == FLOW_WAITING || flow->state == FLOW_CONNECTING) {
		flow_abort(flow);
		return;
	}
	flow->limit = flow->begun;
	flow_go_on(flow);
}

void
flow_abort(struct flow *flow)
{
	if (flow->state == FLOW_ENDED)
		return;
	flow->error = -ECANCELED;
	flow_finish(flow);
}

void
flow_release(struct flow *flow)
{
	end(flow);
	inflight_release(&flow->inflight);
}
