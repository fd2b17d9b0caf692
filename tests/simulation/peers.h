/*
 * The daemon's TCP peers: each has one connection after the other, and a behaviour, good or bad.
 */
#pragma once

#include "stream.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	PEERS_MOST = 8192,
};

/* So many peers that make so many connections altogether. */
void peers_begin(uint32_t peers, uint32_t connections);

/* A peer, chosen by chance among those that may have something to do, does it. There has to be one.
 */
void peers_step(void);

/* How many may have something to do before the daemon does something. */
uint32_t peers_awake(void);

/* From now on every peer behaves well and comes to an end; no new ones come. */
void peers_settle(void);

/* So many well-behaved newcomers, which all stay until each has had an answer. */
void peers_fill(uint32_t connections);

/* Whether every peer has come to an end. */
bool peers_done(void);

/* Whether every peer that came to fill has had an answer. */
bool peers_filled(void);

/* How many there are. */
uint32_t peers_count(void);

/* What the first peer that is not done waits for, for the message of a failure. */
const char *peers_explain(void);
