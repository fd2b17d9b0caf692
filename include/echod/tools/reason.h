/* The words for an error of a connection, a socket or a run. */
#pragma once

/* error: a negative errno. -EPIPE: the peer closed; -ECANCELED: the user stopped it. */
const char *reason_of(int error);
