/* What the client shows, to people and to machines. Both write to stdout. */
#ifndef ECHOD_CLIENT_REPORT_H
#define ECHOD_CLIENT_REPORT_H

#include "echod/client/session.h"

extern const struct report text_report;

/* One JSON object a line (RFC 8259): exchanges, at last the flows of a sweep and the summary. */
extern const struct report json_report;

#endif
