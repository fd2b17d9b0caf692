/*
 * What the service manager is told (sd_notify(3)), and when an idle daemon ends.
 *
 * READY=1 after the first iteration of the loop, when every socket is being served; WATCHDOG=1 at
 * the end of an iteration, every half of the watchdog's time (sd_watchdog_enabled(3)), so that an
 * idle daemon lives and a hung one does not; STATUS= a second after something moved, when the text
 * has changed; RELOADING=1 when a reload begins; STOPPING=1 and EXTEND_TIMEOUT_USEC= at the signal
 * to stop.
 *
 * One socket is opened at the start and no message waits: neither the file limit nor a service
 * manager that does not listen holds up the echo (sd_notify(3) itself opens a socket each time, and
 * blocks). Without $NOTIFY_SOCKET nothing is sent, and nothing in the loop is any different.
 */
#pragma once

#include "echod/stats.h"

#include <ev.h>
#include <stdint.h>

struct service;

struct service_config {
	struct ev_loop *loop;
	const struct stats *stats;
	uint64_t exit_idle_ms; /* 0: never */
	/* No connection has been open and nothing has come in for exit_idle_ms. Called at the end
	 * of an iteration: connections that were waiting have been accepted. */
	void (*on_idle)(void *owner);
	void *owner;
};

/* Returns NULL and sets errno (ENOMEM, or what socket(2) says). */
struct service *service_new(const struct service_config *config);
void service_free(struct service *service);

/* A reload begins; READY=1 is sent again, by the new program or, if it fails, by this one. */
void service_reloading(struct service *service);

/* The daemon is about to end: in left_ms at the latest. */
void service_stopping(struct service *service, uint64_t left_ms);
