#include "draw.h"

#include "clock.h"
#include "headers.h"
#include "peers.h"
#include "random.h"
#include "trace.h"

#include "echod/common/reflection.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	USUAL,
	CROWD,   /* thousands of peers */
	CRUSH,   /* more connections than slots: some are evicted all the time */
	STARVED, /* the process is often without a processor, and timeouts are short */
};

static void argue(struct scenario *s, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static void
argue(struct scenario *s, const char *format, ...)
{
	char *text = s->text[s->drawn][s->n_arguments];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(s->text[0][0]), format, arguments);
	va_end(arguments);
	trace_text("argument", text);
	s->arguments[s->n_arguments++] = text;
	s->arguments[s->n_arguments] = NULL;
}

static void
argue_number(struct scenario *s, const char *name, uint64_t value, const char *unit)
{
	argue(s, "--%s=%llu%s", name, (unsigned long long)value, unit);
}

static void
argue_switch(struct scenario *s, const char *name, bool on)
{
	argue(s, "--%s=%s", name, on ? "on" : "off");
}

static uint64_t
time_or_never(uint64_t one_in)
{
	return random_one_in(one_in) ? random_scale(100, 5000) : 0;
}

/* Up to two listeners and one socket for datagrams, in any order. */
static void
make_up_handed_over(struct handed_over *sockets)
{
	bool has_datagrams = false;

	sockets->n = 1 + (int)random_below(3);
	for (int i = 0; i < sockets->n; i++) {
		bool datagrams = !has_datagrams && (i == 2 || random_one_in(2));

		has_datagrams |= datagrams;
		sockets->types[i] = datagrams ? SOCK_DGRAM : SOCK_STREAM;
		sockets->families[i] = random_one_in(4) ? AF_INET : AF_INET6;
		sockets->bad |= !datagrams && random_one_in(64);
	}
}

static void
make_up_stats_clients(struct scenario *s)
{
	s->stats = stats_clients_at_random();
	if (random_one_in(2)) {
		argue(s, "--stats-socket=%s", STATS_CLIENTS_PATH);
	} else if (s->handed_over.n > 0) {
		s->handed_over.families[s->handed_over.n] = AF_UNIX;
		s->handed_over.types[s->handed_over.n++] = SOCK_STREAM;
	}
}

static void
make_up_service_manager(struct notify *notify)
{
	static const char *const paths[] = {"/run/systemd/notify", "@notify", "elsewhere"};

	notify->path = paths[random_one_in(16) ? 2 : random_below(2)];
	notify->full = random_one_in(4) ? random_scale(1, 8) : 0;
	notify->watchdog_us = random_one_in(2) ? random_scale(1000, 60000) * 1000 : 0;
}

/* Timeouts, limits and buffers small enough that a short run gets to them; the same ones each
 * time, whose values a reload may change. */
static void
make_up_options(struct scenario *s)
{
	uint64_t memory = random_below(3);
	bool crowd = s->kind == CROWD, crush = s->kind == CRUSH;

	argue_number(s, "max-connections",
	        crowd   ? PEERS_MOST / 2
	        : crush ? random_scale(2, 16)
	                : random_scale(1, 64),
	        "");
	argue_number(s, "buffer-size", random_scale(4096, 16384), "");
	argue_number(s, "buffer-memory",
	        memory == 0   ? 0
	        : memory == 1 ? random_scale(4096, 65536)
	                      : 1 << 24,
	        "");
	argue_number(s, "idle-timeout", time_or_never(4), "ms");
	argue_number(s, "idle-timeout-full", crush ? 100 : time_or_never(3), "ms");
	argue_number(s, "stall-timeout",
	        s->kind == STARVED ? random_scale(100, 300) : time_or_never(3), "ms");
	argue_number(s, "keepalive", random_one_in(4) ? 0 : random_scale(1, 10), "s");
	argue_number(s, "drain-delay", random_one_in(2) ? random_scale(1, 10000) : 0, "ms");
	argue_number(s, "drain-timeout", random_scale(1, 10000), "ms");
	argue_number(s, "exit-idle-time",
	        random_one_in(s->handed_over.n > 0 ? 2 : 64) ? random_scale(1000, 10000) : 0, "ms");
	argue_number(
	        s, "accept-rate", random_one_in(4) ? random_scale(crowd ? 1000 : 1, 10000) : 0, "");
	argue_number(s, "max-connections-per-source",
	        random_one_in(4) && !crowd ? random_scale(1, 8) : 0, "");
	argue_number(s, "udp-rate",
	        random_one_in(2)   ? REFLECTION_RATE
	        : random_one_in(2) ? random_scale(1, 10000)
	                           : 0,
	        "");
	argue_switch(s, "log-connections", random_one_in(2));
	argue_switch(s, "udp-rate-log-only", random_one_in(8));
	argue_switch(s, "udp-offload", !random_one_in(4));
	argue_switch(s, "dscp", !random_one_in(4));
	argue_switch(s, random_one_in(2) ? "verbose" : "quiet", random_one_in(3));
}

static void
make_up_proxies(struct scenario *s)
{
	s->proxies = random_one_in(3);
	for (size_t i = 0; s->proxies && headers_proxies[i]; i++)
		argue(s, "--proxy-protocol=%s", headers_proxies[i]);
}

static void
make_up_weather(struct scenario *s)
{
	bool crowd = s->kind == CROWD, crush = s->kind == CRUSH;

	s->tempo_ns = random_scale(1000, 100 * MS);
	s->jumps = random_one_in(4) ? random_scale(16, 256) : 0;
	s->stalls = s->kind == STARVED ? random_scale(4, 64)
	            : random_one_in(8) ? random_scale(16, 1024)
	                               : 0;
	s->soft = random_one_in(3) ? 0 : random_scale(2, 64);
	s->hard = random_one_in(2) ? 0 : random_scale(16, 1024);
	s->cuts = random_one_in(3) ? 0 : random_scale(1, 64);
	s->setup = random_one_in(16) ? random_scale(4, 64) : 0;
	s->peers = crowd ? (uint32_t)random_scale(1000, PEERS_MOST) : (uint32_t)random_scale(1, 64);
	if (crush) {
		s->tempo_ns = random_scale(10 * MS, 100 * MS);
		s->peers = 64;
	}
	s->connections = s->peers * (uint32_t)random_scale(1, crowd ? 2 : 8);
	s->steps = crowd ? 1000 : (uint32_t)random_scale(1, 2 * s->peers);
	s->storm_iterations = (uint32_t)random_scale(32, 512);
	s->stops = random_one_in(4) ? random_scale(16, 512) : 0;
	if (random_one_in(64)) { /* at once, perhaps before anybody comes */
		s->stops = 1;
		s->connections *= (uint32_t)random_below(2);
	}
	s->datagrams = random_one_in(2) ? random_scale(4, 256) : 0;
	s->signals = random_one_in(2) ? random_scale(4, 64) : 0;
}

bool
draw_scenario(struct scenario *s, uint64_t seed)
{
	s->kind = seed % 1000 == 999 ? CROWD
	          : seed % 8 == 7    ? CRUSH
	          : seed % 4 == 1    ? STARVED
	                             : USUAL;
	argue(s, "echod");
	make_up_proxies(s);
	make_up_weather(s);
	s->ipv4_only = random_one_in(8);
	if (!s->ipv4_only && random_one_in(4))
		make_up_handed_over(&s->handed_over);
	make_up_stats_clients(s);
	if (random_one_in(2))
		make_up_service_manager(&s->notify);
	s->n_fixed = s->n_arguments;
	make_up_options(s);
	s->files = s->kind == CROWD ? 20000 : 33 + (uint32_t)random_below(80);
	return s->kind != CROWD && random_one_in(4);
}

void
draw_options(struct scenario *s)
{
	s->drawn = !s->in_force;
	s->n_arguments = s->n_fixed;
	make_up_options(s);
}
