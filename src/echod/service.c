#include "echod/service.h"

#include "echod/common/address.h"
#include "echod/common/clock.h"
#include "echod/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define STATUS_INTERVAL_S 1.0
#define RETRY_S           0.1 /* after a message that the service manager had no room for */
#define STOP_MARGIN_US    UINT64_C(5000000) /* from the end of the drain to the process's end */

struct service {
	struct service_config config;
	int notify_fd; /* -1: no service manager */
	struct address manager;
	struct ev_timer heartbeat; /* READY=1, then WATCHDOG=1; STOPPING=1 at the signal to stop */
	struct ev_timer status, idle;
	struct ev_check iteration_end;
	double watchdog_s; /* 0: none */
	bool ready, stopping, told_stopping;
	uint64_t left_ms;
	uint64_t activity;  /* grows with each connection, byte and datagram */
	uint64_t active_ns; /* when it last grew; kept only for exit_idle_ms */
	char told[STATS_SUMMARY_SIZE];
};

/* Returns 0 and stores an address, of length 0 without a service manager; or -EINVAL. */
static int
find_manager(struct address *manager)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;

	*manager = (struct address){0};
	if (length == 0)
		return 0;
	if ((path[0] != '/' && path[0] != '@') || length >= sizeof(manager->local.sun_path))
		return -EINVAL;
	manager->local.sun_family = AF_UNIX;
	memcpy(manager->local.sun_path, path, length);
	if (path[0] == '@') /* unix(7): an abstract name */
		manager->local.sun_path[0] = '\0';
	/* a path ends with NUL, an abstract name with its length */
	manager->length =
	        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '/'));
	return 0;
}

/* Returns false when the message should be tried again. */
static bool
send_message(const struct service *service, const char *message)
{
	ssize_t sent;

	do
		sent = sendto(service->notify_fd, message, strlen(message),
		        MSG_DONTWAIT | MSG_NOSIGNAL, &service->manager.any,
		        service->manager.length);
	while (sent < 0 && errno == EINTR);
	return sent >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

static uint64_t
activity(const struct stats *stats)
{
	uint64_t closed = stats->tcp_accepted - stats->tcp_open;

	return stats->tcp_accepted + closed + stats->tcp_received_bytes + stats->tcp_sent_bytes +
	       stats->udp_received;
}

static bool
send_stopping(const struct service *service)
{
	uint64_t left_us = service->left_ms * 1000 + STOP_MARGIN_US;
	char message[128];

	snprintf(message, sizeof(message),
	        "STOPPING=1\nSTATUS=Stopping: %llu connections to finish\nEXTEND_TIMEOUT_USEC=%llu",
	        (unsigned long long)service->config.stats->tcp_open, (unsigned long long)left_us);
	return send_message(service, message);
}

static void
service_on_heartbeat(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct service *service = timer->data;
	bool told;

	(void)events;
	if (service->stopping && !service->told_stopping)
		told = service->told_stopping = send_stopping(service);
	else
		told = send_message(service, service->ready ? "WATCHDOG=1" : "READY=1");
	service->ready |= told;
	timer->repeat = told ? service->watchdog_s / 2 : RETRY_S;
	ev_timer_again(loop, timer);
}

static void
service_on_status(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct service *service = timer->data;
	char text[STATS_SUMMARY_SIZE], message[STATS_SUMMARY_SIZE + 32];

	(void)events;
	ev_timer_stop(loop, timer);
	stats_summary(service->config.stats, text, sizeof(text));
	if (strcmp(text, service->told) == 0)
		return;
	snprintf(message, sizeof(message), "STATUS=%s%s", service->stopping ? "Stopping: " : "",
	        text);
	if (send_message(service, message))
		memcpy(service->told, text, sizeof(text));
	else
		ev_timer_again(loop, timer);
}

static void
note_activity(struct service *service)
{
	uint64_t now = activity(service->config.stats);

	if (now == service->activity)
		return;
	service->activity = now;
	if (service->config.exit_idle_ms)
		service->active_ns = clock_now_ns();
	if (service->notify_fd >= 0 && !ev_is_active(&service->status))
		ev_timer_again(service->config.loop, &service->status);
}

/* Runs in every iteration: one comparison, unless something has moved. */
static void
service_on_iteration_end(struct ev_loop *loop, struct ev_check *watcher, int events)
{
	(void)loop;
	(void)events;
	note_activity(watcher->data);
}

static void
service_on_idle(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct service *service = timer->data;
	uint64_t limit_ns = service->config.exit_idle_ms * NS_PER_MS;
	uint64_t idle_ns;

	(void)events;
	note_activity(service); /* of this iteration, which may have begun late */
	idle_ns = service->config.stats->tcp_open > 0 ? 0 : clock_now_ns() - service->active_ns;
	if (idle_ns >= limit_ns) {
		ev_timer_stop(loop, timer);
		service->config.on_idle(service->config.owner);
		return;
	}
	timer->repeat = clock_seconds(limit_ns - idle_ns);
	ev_timer_again(loop, timer);
}

static void
start_watchers(struct service *service)
{
	struct ev_loop *loop = service->config.loop;

	/* The lowest priority: after all other events of the iteration (ev(3)); nothing else has
	 * this priority. */
	ev_set_priority(&service->heartbeat, EV_MINPRI);
	ev_set_priority(&service->status, EV_MINPRI);
	ev_set_priority(&service->idle, EV_MINPRI);
	ev_set_priority(&service->iteration_end, EV_MINPRI);
	service->heartbeat.data = service->status.data = service->idle.data =
	        service->iteration_end.data = service;
	if (service->notify_fd >= 0) {
		ev_timer_start(loop, &service->heartbeat);
		ev_timer_again(loop, &service->status);
	}
	if (service->config.exit_idle_ms)
		ev_timer_start(loop, &service->idle);
	if (service->notify_fd >= 0 || service->config.exit_idle_ms)
		ev_check_start(loop, &service->iteration_end);
	service->active_ns = clock_now_ns();
}

struct service *
service_new(const struct service_config *config)
{
	struct service *service = calloc(1, sizeof(*service));
	uint64_t watchdog_us = 0;

	if (!service)
		return NULL;
	service->config = *config;
	service->notify_fd = -1;
	if (find_manager(&service->manager) < 0)
		log_line(LOG_WARNING,
		        "IGNORE: variable=NOTIFY_SOCKET reason=\"neither a path nor an "
		        "abstract name\"");
	if (service->manager.length > 0) {
		service->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (service->notify_fd < 0) {
			free(service);
			return NULL;
		}
		if (sd_watchdog_enabled(0, &watchdog_us) > 0)
			service->watchdog_s = (double)watchdog_us / 1e6;
	}
	ev_timer_init(&service->heartbeat, service_on_heartbeat, 0, 0);
	ev_timer_init(&service->status, service_on_status, 0, STATUS_INTERVAL_S);
	ev_timer_init(&service->idle, service_on_idle, (double)config->exit_idle_ms / 1000, 0);
	ev_check_init(&service->iteration_end, service_on_iteration_end);
	start_watchers(service);
	return service;
}

void
service_free(struct service *service)
{
	if (!service)
		return;
	ev_timer_stop(service->config.loop, &service->heartbeat);
	ev_timer_stop(service->config.loop, &service->status);
	ev_timer_stop(service->config.loop, &service->idle);
	ev_check_stop(service->config.loop, &service->iteration_end);
	if (service->notify_fd >= 0)
		close(service->notify_fd);
	free(service);
}

void
service_reloading(struct service *service)
{
	struct ev_timer *heartbeat = &service->heartbeat;
	char message[64];

	if (service->notify_fd < 0)
		return;
	/* the clock of the watchdog's timer begins again: reloads may follow each other fast */
	snprintf(message, sizeof(message), "WATCHDOG=1\nRELOADING=1\nMONOTONIC_USEC=%llu",
	        (unsigned long long)clock_now_ns() / 1000);
	send_message(service, message);
	service->ready = false;
	ev_timer_stop(service->config.loop, heartbeat);
	ev_timer_set(heartbeat, 0, 0);
	ev_timer_start(service->config.loop, heartbeat);
}

void
service_stopping(struct service *service, uint64_t left_ms)
{
	service->stopping = true;
	service->left_ms = left_ms;
	ev_timer_stop(service->config.loop, &service->idle);
	if (service->notify_fd >= 0)
		service_on_heartbeat(service->config.loop, &service->heartbeat, 0);
}
