#include "draw.h"

#include "clock.h"
#include "headers.h"
#include "peers.h"
#include "random.h"
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum kind {
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
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(s->text[s->n_arguments], sizeof(s->text[0]), format, arguments);
	va_end(arguments);
	s->arguments[s->n_arguments] = s->text[s->n_arguments];
	trace_text("argument", s->text[s->n_arguments]);
	s->arguments[++s->n_arguments] = NULL;
}

static void
argue_time(struct scenario *s, const char *name, uint64_t one_in)
{
	if (random_one_in(one_in))
		argue(s, "--%s=%llums", name, (unsigned long long)random_scale(100, 5000));
	else
		argue(s, "--%s=0", name);
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

/* Timeouts, limits and buffers small enough that a short run gets to them. */
static void
make_up_arguments(struct scenario *s, enum kind kind)
{
	uint64_t memory = random_below(3);
	bool crowd = kind == CROWD, crush = kind == CRUSH;

	argue(s, "echod");
	argue(s, "--max-connections=%llu",
	        (unsigned long long)(crowd   ? PEERS_MOST / 2
	                             : crush ? random_scale(2, 16)
	                                     : random_scale(1, 64)));
	argue(s, "--buffer-size=%llu", (unsigned long long)random_scale(4096, 16384));
	argue(s, "--buffer-memory=%llu",
	        (unsigned long long)(memory == 0   ? 0
	                             : memory == 1 ? random_scale(4096, 65536)
	                                           : 1 << 24));
	argue_time(s, "idle-timeout", 4);
	if (crush)
		argue(s, "--idle-timeout-full=100ms");
	else
		argue_time(s, "idle-timeout-full", 3);
	if (kind == STARVED)
		argue(s, "--stall-timeout=%llums", (unsigned long long)random_scale(100, 300));
	else
		argue_time(s, "stall-timeout", 3);
	if (random_one_in(2))
		argue(s, "--drain-delay=%llums", (unsigned long long)random_scale(1, 10000));
	argue(s, "--drain-timeout=%llums", (unsigned long long)random_scale(1, 10000));
	if (random_one_in(4))
		argue(s, "--accept-rate=%llu",
		        (unsigned long long)random_scale(crowd ? 1000 : 1, 10000));
	if (random_one_in(4) && !crowd)
		argue(s, "--max-connections-per-source=%llu",
		        (unsigned long long)random_scale(1, 8));
	if (random_one_in(2))
		argue(s, "--log-connections");
	if (random_one_in(2))
		argue(s, "--udp-rate=%llu",
		        (unsigned long long)(random_one_in(2) ? 0 : random_scale(1, 10000)));
	if (random_one_in(8))
		argue(s, "--udp-rate-log-only");
	if (random_one_in(4))
		argue(s, "--udp-offload=off");
	if (random_one_in(4))
		argue(s, "--dscp=off");
	if (random_one_in(3))
		argue(s, random_one_in(2) ? "-v" : "-q");
}

static void
make_up_proxies(struct scenario *s)
{
	s->proxies = random_one_in(3);
	for (size_t i = 0; s->proxies && headers_proxies[i]; i++)
		argue(s, "--proxy-protocol=%s", headers_proxies[i]);
}

static void
make_up_weather(struct scenario *s, enum kind kind)
{
	bool crowd = kind == CROWD, crush = kind == CRUSH;

	s->tempo_ns = random_scale(1000, 100 * MS);
	s->jumps = random_one_in(4) ? random_scale(16, 256) : 0;
	s->stalls = kind == STARVED    ? random_scale(4, 64)
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
	enum kind kind = seed % 1000 == 999 ? CROWD
	                 : seed % 8 == 7    ? CRUSH
	                 : seed % 4 == 1    ? STARVED
	                                    : USUAL;

	make_up_arguments(s, kind);
	make_up_proxies(s);
	make_up_weather(s, kind);
	s->ipv4_only = random_one_in(8);
	if (!s->ipv4_only && random_one_in(4))
		make_up_handed_over(&s->handed_over);
	make_up_stats_clients(s);
	if (random_one_in(2))
		make_up_service_manager(&s->notify);
	if (random_one_in(s->handed_over.n > 0 ? 2 : 64))
		argue(s, "--exit-idle-time=%llums", (unsigned long long)random_scale(1000, 10000));
	s->files = kind == CROWD ? 20000 : 33 + (uint32_t)random_below(80);
	return kind != CROWD && random_one_in(4);
}
