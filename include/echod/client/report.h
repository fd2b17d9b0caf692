/* What the client shows, to people and to machines. Both write to stdout. */
#pragma once

#include "echod/client/session.h"

extern const struct report text_report;

/* One JSON object a line (RFC 8259): exchanges, at last the flows of a sweep and the summary. */
extern const struct report json_report;
