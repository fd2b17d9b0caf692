/*
 * Every counter, in one table: what a number is called, in the STATS line and wherever else it is
 * shown, is decided here alone. Counters only grow; those marked "now" go up and down.
 */
#ifndef ECHOD_STATS_H
#define ECHOD_STATS_H

#include <stddef.h>
#include <stdint.h>

#define STATS_TABLE(X)                                                                             \
	X(tcp_open, "connections open now")                                                        \
	X(tcp_accepted, "connections accepted")                                                    \
	X(tcp_refused_source, "connections closed at once: their source had its share")            \
	X(tcp_accept_errors, "connections that failed before they were accepted")                  \
	X(tcp_accept_pauses, "times that accepting paused for lack of descriptors or memory")      \
	X(tcp_received_bytes, "bytes received from connections")                                   \
	X(tcp_sent_bytes, "bytes sent back to connections")                                        \
	X(tcp_without_ring, "receives done without a ring, because all were lent")                 \
	X(tcp_closed_eof, "connections closed: the peer had finished and has all its bytes")       \
	X(tcp_closed_reset, "connections closed: reset by the peer")                               \
	X(tcp_closed_timeout, "connections closed: the peer vanished (keepalive, retransmission)") \
	X(tcp_closed_error, "connections closed: another error")                                   \
	X(tcp_closed_idle, "connections closed: --idle-timeout")                                   \
	X(tcp_closed_stalled, "connections closed: --stall-timeout")                               \
	X(tcp_closed_full, "connections closed: gave way at the connection limit")                 \
	X(tcp_closed_drain, "connections closed: the daemon stopped")                              \
	X(rings_lent, "rings lent to connections now")                                             \
	X(udp_received, "datagrams received")                                                      \
	X(udp_received_bytes, "bytes in them")                                                     \
	X(udp_answered, "datagrams answered")                                                      \
	X(udp_answered_bytes, "bytes in them")                                                     \
	X(udp_refused_truncated, "datagrams refused: larger than the buffer")                      \
	X(udp_refused_source, "datagrams refused: source address")                                 \
	X(udp_refused_destination, "datagrams refused: broadcast or multicast")                    \
	X(udp_refused_port, "datagrams refused: source port")                                      \
	X(udp_refused_rate, "datagrams refused: --udp-rate")                                       \
	X(udp_rate_exceeded, "datagrams beyond --udp-rate, answered: --udp-rate-log-only")         \
	X(udp_failed_again, "replies that the kernel refused: EAGAIN, the send buffer is full")    \
	X(udp_failed_memory, "replies that the kernel refused: ENOBUFS, ENOMEM")                   \
	X(udp_failed_permission, "replies that the kernel refused: EPERM, EACCES (a firewall)")    \
	X(udp_failed_unreachable, "replies that the kernel refused: no route or host")             \
	X(udp_failed_size, "replies that the kernel refused: EMSGSIZE")                            \
	X(udp_failed_other, "replies that the kernel refused: any other errno")                    \
	X(udp_receive_errors, "receives from datagram sockets that failed")                        \
	X(kernel_drops, "datagrams and trains that the kernel dropped from the receive queues")    \
	X(log_lost, "log lines that stderr did not take")

struct stats {
#define STATS_FIELD(name, meaning) uint64_t name;
	STATS_TABLE(STATS_FIELD)
#undef STATS_FIELD
};

/* Writes "name=value name=value …", all of them, in the table's order. Ends with NUL and cuts what
 * does not fit; STATS_TEXT_SIZE holds every value. Returns text. */
char *stats_format(const struct stats *stats, char *text, size_t size);
#define STATS_TEXT_SIZE 2048

/* Writes the line for people: "412 connections, 1.3 GB echoed, 20 datagrams refused". Ends with NUL
 * and cuts what does not fit; STATS_SUMMARY_SIZE holds any. Returns text. */
char *stats_summary(const struct stats *stats, char *text, size_t size);
#define STATS_SUMMARY_SIZE 128

/* Counts replies that the kernel refused, by their errno (positive). */
void stats_count_send_error(struct stats *stats, int error, uint64_t count);

#endif
