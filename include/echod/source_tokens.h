/*
 * Tokens that the sources (source.h) of datagrams pay with. They live in a fixed number of slots,
 * and sources that fall on the same slot share its tokens: a flood of forged sources takes no
 * memory and evicts no other source.
 */
#pragma once

#include "echod/common/prefix.h"
#include "echod/handover.h"
#include "echod/train.h"

#include <stddef.h>
#include <stdint.h>

struct source_tokens;

/*
 * rate: tokens per second, and twice as many at once; 0: no limit. exempt: n_exempt prefixes
 * without a limit; they stay the caller's and live longer. Returns NULL and sets errno (mmap(2),
 * getentropy(3)).
 */
struct source_tokens *source_tokens_new(
        uint64_t rate, const struct prefix *exempt, size_t n_exempt);
void source_tokens_free(struct source_tokens *tokens);

/*
 * Pays reflection_price() for each datagram of a train, from the first on, as far as the tokens of
 * its source (IPv4: v4-mapped) go, and returns for how many. Loopback sources and exempt ones
 * always pay for all. now_ns: CLOCK_MONOTONIC.
 */
uint32_t source_tokens_take(struct source_tokens *tokens, const struct in6_addr *source,
        const struct train *train, uint64_t now_ns);

/* Writes what has been spent to the state, in records of kind HANDOVER_TOKENS, and takes it back
 * from one. */
void source_tokens_save(
        const struct source_tokens *tokens, struct handover_writer *writer, uint64_t now_ns);
void source_tokens_restore(
        struct source_tokens *tokens, const struct handover_record *record, uint64_t now_ns);
