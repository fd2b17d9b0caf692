/* Built without liburing: there is the direct way alone. */
#include "echod/batch.h"

#include <errno.h>
#include <stddef.h>

struct batch *
batch_new(void)
{
	errno = ENOSYS;
	return NULL;
}

void
batch_free(struct batch *batch)
{
	(void)batch;
}

void
batch_receive(struct batch *batch, struct batch_call *calls, unsigned n)
{
	(void)batch;
	(void)calls;
	(void)n;
}

void
batch_send(struct batch *batch, struct batch_call *calls, unsigned n)
{
	(void)batch;
	(void)calls;
	(void)n;
}
