/*
 * Connections over a reload: saved by the old program, restored by the new one, each as it was.
 */
#pragma once

#include "echod/connection.h"

/* Writes all connections to the state. */
void connections_save(const struct connections *connections, struct handover_writer *writer);

/*
 * Goes on with a connection of the handover that the connections were made for, whatever the
 * limits are. The connections' time has to be that of the program that wrote it, and no counter
 * changes. What the old program did not have to know is asked of the kernel or begins now.
 */
void connection_restore(struct connections *connections, const struct handover_record *record);
