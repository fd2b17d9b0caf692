/*
 * Every counter, in one table: what a number is called, in the STATS line, in the exposition for
 * Prometheus and wherever else it is shown, is decided here alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Why connections end. R(enumerator, word, help, X): of enum close_reason, in connection.h; the
 * word in EXIT lines, in the counter's name and its label; what it means; X as given.
 */
#define CLOSE_REASONS(R, X)                                                                        \
	R(CLOSE_EOF, eof, "the peer had finished and has all its bytes", X)                        \
	R(CLOSE_RESET, reset, "reset by the peer", X)                                              \
	R(CLOSE_TIMEOUT, timeout, "the peer vanished (keepalive, retransmission)", X)              \
	R(CLOSE_ERROR, error, "another error", X)                                                  \
	R(CLOSE_IDLE, idle, "--idle-timeout", X)                                                   \
	R(CLOSE_STALLED, stalled, "--stall-timeout", X)                                            \
	R(CLOSE_FULL, full, "evicted at the connection limit", X)                                  \
	R(CLOSE_DRAIN, drain, "the daemon stopped", X)                                             \
	R(CLOSE_PROXY, proxy, "from a proxy, without a right PROXY header in 3 s", X)              \
	R(CLOSE_SOURCE, source, "from a proxy, the client's source had its share", X)
#define STATS_CLOSED(reason, word, help, X)                                                        \
	X(tcp_closed_##word, "echod_connections_closed_total", "counter", "reason=\"" #word "\"",  \
	        "Connections closed: " help)

/*
 * X(name, family, type, label, help): the name in the STATS line and in struct stats; the family's
 * name in Prometheus, where a counter only grows and a gauge goes up and down; the label that tells
 * it from others of its family; what it counts. Before a colon, help is that of the whole family.
 */
#define STATS_TABLE(X)                                                                             \
	X(tcp_open, "echod_connections", "gauge", "", "Connections open now")                      \
	X(tcp_limit, "echod_connections_limit", "gauge", "",                                       \
	        "Connections that may be open at once")                                            \
	X(tcp_accepted, "echod_connections_accepted_total", "counter", "", "Connections accepted") \
	X(tcp_refused_source, "echod_connections_refused_total", "counter", "reason=\"source\"",   \
	        "Connections closed at once: their source had its share")                          \
	X(tcp_accept_errors, "echod_accept_errors_total", "counter", "",                           \
	        "Connections that failed before they were accepted")                               \
	X(tcp_accept_pauses, "echod_accept_pauses_total", "counter", "",                           \
	        "Times that accepting paused for lack of descriptors or memory")                   \
	X(tcp_received_bytes, "echod_received_bytes_total", "counter", "protocol=\"tcp\"",         \
	        "Bytes received: from connections")                                                \
	X(tcp_sent_bytes, "echod_sent_bytes_total", "counter", "protocol=\"tcp\"",                 \
	        "Bytes sent back: to connections")                                                 \
	X(tcp_without_ring, "echod_receives_without_ring_total", "counter", "",                    \
	        "Receives done without a ring, because all were lent")                             \
	CLOSE_REASONS(STATS_CLOSED, X)                                                             \
	X(rings_lent, "echod_rings_lent", "gauge", "", "Rings lent to connections now")            \
	X(udp_received, "echod_datagrams_received_total", "counter", "", "Datagrams received")     \
	X(udp_received_bytes, "echod_received_bytes_total", "counter", "protocol=\"udp\"",         \
	        "Bytes received: in datagrams")                                                    \
	X(udp_answered, "echod_datagrams_answered_total", "counter", "", "Datagrams answered")     \
	X(udp_answered_bytes, "echod_sent_bytes_total", "counter", "protocol=\"udp\"",             \
	        "Bytes sent back: in datagrams")                                                   \
	X(udp_refused_truncated, "echod_datagrams_refused_total", "counter",                       \
	        "reason=\"truncated\"", "Datagrams refused: larger than the buffer")               \
	X(udp_refused_source, "echod_datagrams_refused_total", "counter", "reason=\"source\"",     \
	        "Datagrams refused: source address")                                               \
	X(udp_refused_destination, "echod_datagrams_refused_total", "counter",                     \
	        "reason=\"destination\"", "Datagrams refused: broadcast or multicast")             \
	X(udp_refused_port, "echod_datagrams_refused_total", "counter", "reason=\"port\"",         \
	        "Datagrams refused: source port")                                                  \
	X(udp_refused_rate, "echod_datagrams_refused_total", "counter", "reason=\"rate\"",         \
	        "Datagrams refused: --udp-rate")                                                   \
	X(udp_rate_exceeded, "echod_datagrams_rate_exceeded_total", "counter", "",                 \
	        "Datagrams beyond --udp-rate, answered because of --udp-rate-log-only")            \
	X(udp_failed_again, "echod_replies_failed_total", "counter", "reason=\"again\"",           \
	        "Replies that the kernel refused: EAGAIN, the send buffer is full")                \
	X(udp_failed_memory, "echod_replies_failed_total", "counter", "reason=\"memory\"",         \
	        "Replies that the kernel refused: ENOBUFS, ENOMEM")                                \
	X(udp_failed_permission, "echod_replies_failed_total", "counter", "reason=\"permission\"", \
	        "Replies that the kernel refused: EPERM, EACCES (a firewall)")                     \
	X(udp_failed_unreachable, "echod_replies_failed_total", "counter",                         \
	        "reason=\"unreachable\"", "Replies that the kernel refused: no route or host")     \
	X(udp_failed_size, "echod_replies_failed_total", "counter", "reason=\"size\"",             \
	        "Replies that the kernel refused: EMSGSIZE")                                       \
	X(udp_failed_other, "echod_replies_failed_total", "counter", "reason=\"other\"",           \
	        "Replies that the kernel refused: any other errno")                                \
	X(udp_receive_errors, "echod_datagram_receive_errors_total", "counter", "",                \
	        "Receives from datagram sockets that failed")                                      \
	X(kernel_drops, "echod_kernel_drops_total", "counter", "",                                 \
	        "Datagrams and trains that the kernel dropped from the receive queues")            \
	X(files_open, "echod_open_files", "gauge", "", "Open files now")                           \
	X(files_limit, "echod_open_files_limit", "gauge", "", "Files that may be open at once")    \
	X(start_time_s, "echod_start_time_seconds", "gauge", "",                                   \
	        "When the daemon started, in seconds since 1970")                                  \
	X(reloads, "echod_reloads_total", "counter", "", "Reloads that have succeeded")            \
	X(last_reload_successful, "echod_last_reload_successful", "gauge", "",                     \
	        "0 if the last reload failed, and what was before goes on")                        \
	X(stopping, "echod_stopping", "gauge", "",                                                 \
	        "1 from the signal to stop on: send no more connections here")                     \
	X(log_lost, "echod_log_lines_lost_total", "counter", "",                                   \
	        "Log lines that stderr did not take")

struct stats {
#define STATS_FIELD(name, ...) uint64_t name;
	STATS_TABLE(STATS_FIELD)
#undef STATS_FIELD
};

/* Writes "name=value name=value …", all of them, in the table's order. Ends with NUL and cuts what
 * does not fit; STATS_TEXT_SIZE holds every value. Returns text. */
char *stats_format(const struct stats *stats, char *text, size_t size);
#define STATS_TEXT_SIZE 2048

/* Reads what stats_format() of this version or an earlier one has written. */
void stats_parse(struct stats *stats, const char *text, size_t length);

/* Writes the line for people: "412 connections, 1.3 GB echoed, 20 datagrams refused". Ends with NUL
 * and cuts what does not fit; STATS_SUMMARY_SIZE holds any. Returns text. */
char *stats_summary(const struct stats *stats, char *text, size_t size);
#define STATS_SUMMARY_SIZE 128

/* Writes all of them in Prometheus' text format (version 0.0.4), a family after the other, and the
 * daemon's version. STATS_EXPOSITION_SIZE holds every value. Returns the length of the text. */
#define STATS_EXPOSITION_SIZE 12288
size_t stats_exposition(const struct stats *stats, char text[STATS_EXPOSITION_SIZE]);

/* Counts replies that the kernel refused, by their errno (positive). */
void stats_count_send_error(struct stats *stats, int error, uint64_t count);
