/*
 * epoll(7), level-triggered: which of the watched descriptors are ready.
 */
#pragma once

#include "files.h"

#include <sys/epoll.h>

void epoll_begin(void);

/* As epoll_ctl(2): returns 0 or a negative errno. */
int epoll_control(int operation, int fd, const struct epoll_event *event);

/* The epoll descriptor is closed: it watches nothing any more. */
void epoll_forget(void);

/* Something has happened to a descriptor (-1: to none) that may make it ready. */
void epoll_wake(int fd);

/* Stores what is ready, at most so many; returns how many. */
int epoll_collect(struct epoll_event *events, int most);
