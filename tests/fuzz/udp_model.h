/*
 * What must become of each datagram: answered with the same bytes to where it came from, or
 * refused and counted. Written down again, from the documentation, independently of the daemon.
 */
#pragma once

#include "cmsg_maker.h"

#include "echod/common/address.h"
#include "echod/options.h"
#include "echod/stats.h"

#define MODEL_EXEMPT "198.51.100.0/24"

enum {
	MODEL_MOST = 12,           /* datagrams in a batch */
	MODEL_ALLOWED_PORT = 1023, /* by the options */
	MODEL_REFUSED_PORT = 60001,
};

/* A datagram, or a train. */
struct arrived {
	const uint8_t *bytes;
	size_t length;
	bool internet, cut;
	struct address from;
	struct in6_addr source;
	uint16_t port;
	struct told told;
};

struct owed {
	const struct arrived *arrived;
	size_t length, segment, done;
	bool over; /* all of it is sent or refused */
};

/* What the daemon hands to the kernel. IPv4 is v4-mapped. */
struct sent {
	const uint8_t *bytes; /* side by side */
	size_t length, segment;
	struct address to;
	bool has_local;
	struct in6_addr local;
	int traffic_class; /* -1: not said */
};

struct spender {
	struct in6_addr source;
	uint64_t spent;
};

struct model {
	const struct options *options;
	struct arrived arrived[MODEL_MOST];
	struct owed owed[MODEL_MOST];
	size_t n_arrived, n_owed;
	size_t singly; /* datagrams of a refused message that are still to be sent alone */
	struct spender spenders[2 * MODEL_MOST];
	size_t n_spenders;
	struct stats stats;
};

/* Once, before anything else. */
void model_make_bytes(void);

/* One more has come in, with up to 64 KiB of bytes of its own; to be filled in, then judged. */
struct arrived *model_arrive(struct model *model);
void model_judge(struct model *model, const struct arrived *arrived);

/* The daemon sends; error: what the kernel says, 0 if it takes it. The datagrams of a message that
 * is refused have to be sent one by one, at once. */
void model_send(struct model *model, const struct sent *sent, int error);
void model_send_single(struct model *model, const struct sent *sent, int error);

/* The end of a turn: nothing may be owed any more. */
void model_finish(struct model *model);
