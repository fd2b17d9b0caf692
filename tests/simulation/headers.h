/*
 * The PROXY headers with which the connections of proxies begin: right, wrong, cut short or left
 * out.
 */
#pragma once

#include "stream.h"

#define HEADERS_TIME (3000 * MS) /* that they may take */

enum {
	HEADERS_SIZE = 544,
};

/* Of --proxy-protocol; NULL ends them. */
extern const char *const headers_proxies[];

/* Whether connections from there are those of proxies: the same, said in another way. */
bool headers_from_proxy(const struct address *from);

/* Makes up the header of a proxy's connection; right: it is a right one, and all of it comes. */
void headers_make_up(struct stream *stream, bool right);

/* Why the daemon may close the connection for lack of a header, or for the client that it names: a
 * set of enum close_reason, a bit each. */
unsigned headers_reasons(const struct stream *stream);
