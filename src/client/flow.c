#include "echod/client/flow.h"

#include "echod/common/clock.h"

#include <errno.h>
#include <unistd.h>

#define ERROR_PAUSE_S  1.0
#define ENDING_LIMIT_S 1.0

static void
arm(struct ev_loop *loop, ev_timer *timer, double after_s)
{
	ev_timer_stop(loop, timer);
	ev_now_update(loop);
	ev_timer_set(timer, after_s, 0.);
	ev_timer_start(loop, timer);
}

static void
end(struct flow *flow)
{
	struct ev_loop *loop = flow->plan->loop;

	ev_io_stop(loop, &flow->io);
	ev_timer_stop(loop, &flow->pace);
	ev_timer_stop(loop, &flow->deadline);
	if (flow->opened && flow->peer_fd >= 0 && !flow->plan->dial.datagram)
		dial_add_tcp_info(flow->peer_fd, &flow->tcp);
	if (flow->peer_fd >= 0)
		close(flow->peer_fd);
	flow->peer_fd = -1;
	flow->state = FLOW_ENDED;
}

static void
finish(struct flow *flow)
{
	exchanges_lose_all(&flow->exchanges, flow->error);
	end(flow);
	flow->plan->on_end(flow->plan->owner, flow);
}

/* Everything is back. A peer that echoes answers our FIN with its own; what it sends before that is
 * surplus. */
static void
close_gracefully(struct flow *flow)
{
	double wait_s = clock_seconds(flow->plan->timeout_ns);

	ev_timer_stop(flow->plan->loop, &flow->pace);
	if (flow->plan->dial.datagram || shutdown(flow->peer_fd, SHUT_WR) < 0) {
		finish(flow);
		return;
	}
	flow->state = FLOW_ENDING;
	arm(flow->plan->loop, &flow->deadline, wait_s < ENDING_LIMIT_S ? wait_s : ENDING_LIMIT_S);
}

static void
go_on(struct flow *flow)
{
	if (flow->state != FLOW_OPEN)
		return;
	if (flow->exchanges.begun < flow->limit) {
		/* after an error a pause: an absent peer is not to be flooded */
		if (flow->plan->interval_ns == 0 && flow->exchanges.inflight.pending == 0)
			arm(flow->plan->loop, &flow->pace, flow->error ? ERROR_PAUSE_S : 0.);
	} else if (flow->exchanges.inflight.pending == 0) {
		close_gracefully(flow);
	}
}

static void
fail(struct flow *flow, int error)
{
	bool first = flow->exchanges.tally.echoed == 0 && flow->exchanges.tally.corrupted == 0;

	if (flow->state == FLOW_ENDING) { /* all is back: any close will do */
		finish(flow);
		return;
	}
	flow->error = error;
	if (!flow->plan->dial.datagram || flow->state == FLOW_CONNECTING) {
		finish(flow);
	} else if (first && flow->plan->give_way) {
		end(flow);
		flow->opened = false;
		flow->plan->on_end(flow->plan->owner, flow);
	} else {
		/* the peer's host refuses all that are in flight; later ones may be accepted */
		exchanges_lose_all(&flow->exchanges, error);
		go_on(flow);
	}
}

static bool
is_no_error(int error)
{
	return error == EAGAIN || error == EINTR;
}

static void
send_pending(struct flow *flow)
{
	struct exchanges *exchanges = &flow->exchanges;
	int events = EV_READ;

	while (exchanges->out_number < exchanges->begun) {
		size_t length = exchanges_next_bytes(exchanges, flow->plan->scratch);
		ssize_t sent = send(flow->peer_fd, flow->plan->scratch, length, MSG_NOSIGNAL);

		if (sent < 0 && is_no_error(errno)) {
			events |= EV_WRITE;
			break;
		}
		if (sent < 0) {
			int error = -errno;

			/* a datagram is not sent again */
			exchanges->out_number = exchanges->begun;
			fail(flow, error);
			break;
		}
		exchanges_sent(exchanges, (size_t)sent);
	}
	if (flow->state != FLOW_ENDED && flow->io.events != events) {
		ev_io_stop(flow->plan->loop, &flow->io);
		ev_io_set(&flow->io, flow->peer_fd, events);
		ev_io_start(flow->plan->loop, &flow->io);
	}
}

static void
receive(struct flow *flow)
{
	unsigned char *bytes = flow->plan->scratch;
	ssize_t received = recv(flow->peer_fd, bytes, EXCHANGE_SCRATCH_SIZE, 0);

	if (received < 0) {
		if (!is_no_error(errno))
			fail(flow, -errno);
	} else if (flow->plan->dial.datagram) {
		exchanges_take_datagram(&flow->exchanges, bytes, (size_t)received);
		go_on(flow);
	} else if (received == 0) {
		fail(flow, -EPIPE);
	} else if (exchanges_take_stream(&flow->exchanges, bytes, (size_t)received)) {
		go_on(flow);
	} else {
		finish(flow);
	}
}

static void
begin(struct flow *flow)
{
	flow->error = 0;
	exchanges_begin(&flow->exchanges);
	if (!ev_is_active(&flow->deadline))
		arm(flow->plan->loop, &flow->deadline, clock_seconds(flow->plan->timeout_ns));
	send_pending(flow);
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
		double interval_s = clock_seconds(flow->plan->interval_ns);

		ev_now_update(flow->plan->loop);
		ev_timer_set(&flow->pace, interval_s, interval_s);
		ev_timer_start(flow->plan->loop, &flow->pace);
	}
	begin(flow);
}

static void
open_socket(struct flow *flow)
{
	const struct flow_plan *plan = flow->plan;
	struct dial dial = plan->dial;

	if (flow->source_port > 0) {
		dial.from.length = dial.to.length;
		dial.from.any.sa_family = dial.to.any.sa_family;
		address_set_port(&dial.from, flow->source_port);
	}
	flow->state = FLOW_CONNECTING;
	flow->started_ns = clock_now_ns();
	flow->peer_fd = dial_open(&dial);
	if (flow->peer_fd < 0) {
		fail(flow, flow->peer_fd);
		return;
	}
	ev_io_set(&flow->io, flow->peer_fd, dial.datagram ? EV_READ : EV_WRITE);
	ev_io_start(plan->loop, &flow->io);
	arm(plan->loop, &flow->deadline, clock_seconds(plan->timeout_ns));
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
	else if (flow->exchanges.begun < flow->limit)
		begin(flow);
}

static void
flow_on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct flow *flow = timer->data;
	struct exchanges *exchanges = &flow->exchanges;
	uint64_t now_ns = clock_now_ns(), timeout_ns = flow->plan->timeout_ns;

	(void)revents;
	if (flow->state == FLOW_CONNECTING) {
		fail(flow, -ETIMEDOUT);
		return;
	}
	if (flow->state == FLOW_ENDING) {
		finish(flow);
		return;
	}
	/* armed for one that may be back by now: find the oldest that is not */
	while (exchanges_oldest_pending(exchanges) < exchanges->begun) {
		uint64_t age_ns = exchanges_age_ns(exchanges, now_ns);

		if (age_ns < timeout_ns) {
			arm(loop, timer, clock_seconds(timeout_ns - age_ns));
			return;
		}
		exchanges_lose(exchanges, exchanges->oldest, 0);
	}
	go_on(flow);
}

static void
flow_on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct flow *flow = io->data;

	(void)loop;
	if (flow->state == FLOW_CONNECTING) {
		int error = dial_result(flow->peer_fd);

		if (error)
			fail(flow, error);
		else
			flow_on_open(flow);
		return;
	}
	if (revents & EV_WRITE)
		send_pending(flow);
	if (flow->state != FLOW_ENDED && (revents & EV_READ))
		receive(flow);
}

int
flow_start(struct flow *flow, const struct flow_plan *plan, size_t index, uint16_t source_port,
        double delay_s)
{
	uint64_t pending = plan->interval_ns ? plan->timeout_ns / plan->interval_ns + 2 : 1;

	*flow = (struct flow){.plan = plan,
	        .index = index,
	        .source_port = source_port,
	        .limit = plan->count,
	        .peer_fd = -1};
	flow->exchanges = (struct exchanges){.flow = index,
	        .message = plan->message,
	        .scratch = plan->scratch + EXCHANGE_SCRATCH_SIZE,
	        .owner = plan->owner,
	        .on_exchange = plan->on_exchange};
	ev_init(&flow->io, flow_on_io);
	ev_init(&flow->pace, flow_on_pace);
	ev_init(&flow->deadline, flow_on_deadline);
	flow->io.data = flow->pace.data = flow->deadline.data = flow;
	arm(plan->loop, &flow->pace, delay_s);
	return exchanges_init(&flow->exchanges, pending);
}

void
flow_stop(struct flow *flow)
{
	if (flow->state == FLOW_WAITING || flow->state == FLOW_CONNECTING) {
		flow_abort(flow);
		return;
	}
	flow->limit = flow->exchanges.begun;
	go_on(flow);
}

void
flow_abort(struct flow *flow)
{
	if (flow->state == FLOW_ENDED)
		return;
	flow->error = -ECANCELED;
	finish(flow);
}

void
flow_release(struct flow *flow)
{
	end(flow);
	exchanges_release(&flow->exchanges);
}
