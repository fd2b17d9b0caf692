/*
 * Which of the daemon's calls fail or are cut short, and how. Harmless failures (EINTR, EAGAIN for
 * no reason) come as often as one call in two; errors that end something come more rarely.
 */
#pragma once

#include <stdint.h>

enum call {
	CALL_ACCEPT,
	CALL_RECEIVE,
	CALL_TAKE, /* recv(2) with MSG_TRUNC: what is in the queue is there */
	CALL_SEND,
	CALL_CLOSE,
	CALL_EPOLL_ADD,
	CALL_EPOLL_WAIT,
	CALL_LOG, /* write(2) to stderr */
	CALL_RECVMMSG,
	CALL_SENDMMSG,
	CALL_NOTIFY, /* sendto(2) to the service manager */
	CALL_ADVISE, /* madvise(2) */
	CALL_MEMORY_INFO,
	/* what only the start does */
	CALL_SOCKET,
	CALL_BIND,
	CALL_LISTEN,
	CALL_SET_OPTION, /* best effort everywhere but for the datagram sockets */
	CALL_GET_OPTION,
	CALL_GET_NAME,
	CALL_EPOLL_CREATE,
	CALL_SIGNAL_FD,
	CALL_ENTROPY,
	CALL_MAP,
	CALL_ALLOCATE,
};

/* No faults at all. */
void faults_begin(void);

/* One call in so many fails harmlessly, fails hard, or is cut short; 0 for never. */
void faults_set(uint64_t soft, uint64_t hard, uint64_t cuts);

/* At the start, one call in so many fails. */
void faults_set_setup(uint64_t one_in);

/* The errno to fail with now, or 0. */
int fault(enum call call);

/* As much of length as is done now: all, or less but at least 1. */
uint64_t fault_cut(uint64_t length);
