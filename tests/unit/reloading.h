/*
 * A daemon as far as a reload knows it, and the system calls of one, which execute nothing.
 */
#pragma once

#include "echod/reload.h"

#include <limits.h>
#include <sys/stat.h>

/* How the system calls behave, and what the last execve(2) was given. */
struct reloading_calls {
	const char *execfn, *directory; /* AT_EXECFN, getcwd(3); NULL: it fails */
	unsigned long base;
	int exe_error, named_error; /* of stat(2) */
	struct stat exe, named;
	bool no_memory, no_files, no_environment;
	char executed[PATH_MAX];
	int state_fd; /* a copy of the state's */
};
extern struct reloading_calls calls;

/* What a daemon is made of, as far as it survives. */
struct parts {
	struct options options;
	struct listeners listeners;
	struct stats stats;
	struct ev_loop *loop;
	struct reload reload;
};

extern char problem[256];
extern char *arguments[];
extern int argc_now;
extern const struct connections_config plain;

/* The test's set-up. */
int set_up(void **state);

/* Opens its listeners itself, unless it gets them from a handover. */
void make_with(struct parts *parts, char **argv, int argc, const struct handover *handover,
        const struct connections_config *limits);

void make(struct parts *parts);

/* with its descriptors, or without those that another program has taken over */
void unmake(struct parts *parts, const struct parts *heir);
