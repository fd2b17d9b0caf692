/* CPU time that processes have used, in nanoseconds. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

uint64_t cpu_own_ns(void);

/* Returns 0, or a negative errno (-ESRCH: there is no such process) and stores 0. */
int cpu_of_ns(pid_t pid, uint64_t *ns);
