/*
 * The process's stderr, lent to the log: what the log writes, the test reads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct capture {
	bool no_proc;   /* open(2) fails, as without /proc */
	int interrupts; /* so many writes fail with EINTR first */
	char got[64 * 1024];
};

extern struct capture capture;

/* From here on stderr is fd, or closed for -1, and the log has been opened. Until the end cmocka
 * must not speak. */
void capture_begin(int fd);
uint64_t capture_end(void); /* returns how many lines were lost */

/* An empty file to begin with, and what is in it by now; that closes it. */
int capture_file(void);
const char *capture_contents(int fd);

/* What has been written to the other end of a pipe or socket. */
const char *capture_receive(int fd);
