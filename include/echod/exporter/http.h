/*
 * The exporter's HTTP: GET and HEAD of a few paths, on listening sockets that are given to it.
 */
#pragma once

#include "echod/stat/reader.h"

#include <stdbool.h>

/* What slow and many clients can take. */
enum {
	HTTP_CONNECTIONS = 1024, /* at once on each listener; the others wait to be accepted */
	HTTP_MEMORY = 16 * 1024, /* bytes for a request */
	HTTP_IDLE_S = 5,         /* a connection that is silent for this long is closed */
	HTTP_SCRAPE_MS = 1000,   /* daemons that do not answer within this time are not up */
};

struct http_exporter {
	struct reader reader;
	bool finds; /* looks for sockets at each request */
};

struct MHD_Daemon; /* libmicrohttpd(3) */

/* Serves a listening socket, which it owns from then on. Returns NULL if that fails. */
struct MHD_Daemon *http_new(struct http_exporter *exporter, int listen_fd);

/* A descriptor that is readable when there is something to do, how long to wait for that at most
 * (-1: for ever), and the doing. */
int http_fd(struct MHD_Daemon *http);
int http_timeout_ms(struct MHD_Daemon *http);
void http_run(struct MHD_Daemon *http);

void http_free(struct MHD_Daemon *http);
