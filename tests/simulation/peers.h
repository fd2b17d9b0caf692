/*
 * Those who use the daemon over TCP: each with a connection of its own, one after the other, and
 * manners of its own, good and bad.
 */
#ifndef ECHOD_SIMULATION_PEERS_H
#define ECHOD_SIMULATION_PEERS_H

#include "stream.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	PEERS_MOST = 8192,
};

/* So many peers that make so many connections altogether. */
void peers_begin(uint32_t peers, uint32_t connections);

/* A peer, chosen by chance among those who may have something to do, does it. There has to be one.
 */
void peers_step(void);

/* How many may have something to do before the daemon does something. */
uint32_t peers_awake(void);

/* From now on everybody behaves well and comes to an end; nobody new comes. */
void peers_settle(void);

/* So many well-behaved newcomers, who all stay until each has had an answer. */
void peers_fill(uint32_t connections);

/* Whether everybody has come to an end. */
bool peers_done(void);

/* Whether everybody who came to fill has had an answer. */
bool peers_filled(void);

/* How many there are. */
uint32_t peers_count(void);

/* What the first peer that is not done waits for, to be read by whoever looks for the mistake. */
const char *peers_explain(void);

#endif
