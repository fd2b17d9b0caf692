/*
 * The real kernel's sockets, some of whose calls fail when the test says so.
 */
#pragma once

#include "echod/listeners.h"

struct sockets {
	int family_error;                /* errno of socket(2) for IPv6; 0: none */
	int bind_error, bind_error_type; /* errno of bind(2) for sockets of this type; 0: none */
	size_t bind_errors;              /* so many times */
	size_t binds;                    /* calls */
	size_t free_binds;               /* of those, for a free port */
	bool unprivileged;               /* what needs CAP_NET_ADMIN fails */
	int refused_command;             /* fcntl(2) with it fails; -1: none */
	int refused_option;          /* setsockopt(2) of this name on IPPROTO_IP fails; 0: none */
	size_t calls_before_failure; /* of socket(2), bind(2) and realloc(3), which then fail */
};

extern struct sockets sockets;

/* Nothing fails, and nothing was handed over. For cmocka_unit_test_setup(), too. */
void sockets_reset(void);
int sockets_setup(void **state);

struct listening {
	struct options options;
	struct listeners listeners;
	char problem[256];
};

/* Reads a command line (NULL at its end) and opens what it says; returns what listeners_open() did.
 */
int sockets_listen(struct listening *listening, const char *const *arguments);
void sockets_end(struct listening *listening);

#define LISTEN(listening, ...)                                                                     \
	sockets_listen(listening, (const char *const[]){"echod", __VA_ARGS__, NULL})

/* The value of an int option; fails when there is none. */
int sockets_option(int fd, int level, int name);

/* A connection to the listener at this address; returns the accepted end, the other one closes. */
int sockets_connect(const struct listener *listener, const char *address);

/* How many descriptors are open. */
size_t sockets_open(void);

/* A socket bound to a free port of loopback. */
int sockets_bound(int family, int type, struct address *address);
