/*
 * io_uring as the daemon's batch.h shows it: each call of a batch is the model's recv(2) or
 * send(2).
 */
#ifndef ECHOD_SIMULATION_BATCH_H
#define ECHOD_SIMULATION_BATCH_H

#include <stdbool.h>

/* Whether the kernel of this run permits io_uring. */
void batch_begin(bool permitted);

#endif
