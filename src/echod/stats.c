#include "echod/stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	size_t offset;
} table[] = {
#define STATS_ROW(name, meaning) {#name, offsetof(struct stats, name)},
        STATS_TABLE(STATS_ROW)
#undef STATS_ROW
};

static uint64_t
value_of(const struct stats *stats, size_t row)
{
	uint64_t value;

	memcpy(&value, (const char *)stats + table[row].offset, sizeof(value));
	return value;
}

char *
stats_format(const struct stats *stats, char *text, size_t size)
{
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]) && length < size; i++) {
		length += (size_t)snprintf(text + length, size - length, "%s%s=%llu", i ? " " : "",
		        table[i].name, (unsigned long long)value_of(stats, i));
	}
	return text;
}

static char *
format_bytes(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
	double value = (double)bytes / 1000;
	size_t unit = 0;

	if (bytes < 1000) {
		snprintf(text, size, "%u byte%s", (unsigned)bytes, bytes == 1 ? "" : "s");
		return text;
	}
	/* 999.95 would be written as 1000.0 */
	while (value >= 999.95) {
		value /= 1000;
		unit++;
	}
	snprintf(text, size, "%.1f %s", value, units[unit]);
	return text;
}

char *
stats_summary(const struct stats *stats, char *text, size_t size)
{
	static const char refused_prefix[] = "udp_refused_";
	uint64_t refused = 0;
	char echoed[32];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strncmp(table[i].name, refused_prefix, sizeof(refused_prefix) - 1) == 0)
			refused += value_of(stats, i);
	snprintf(text, size, "%llu connection%s, %s echoed, %llu datagram%s refused",
	        (unsigned long long)stats->tcp_open, stats->tcp_open == 1 ? "" : "s",
	        format_bytes(
	                stats->tcp_sent_bytes + stats->udp_answered_bytes, echoed, sizeof(echoed)),
	        (unsigned long long)refused, refused == 1 ? "" : "s");
	return text;
}

void
stats_count_send_error(struct stats *stats, int error, uint64_t count)
{
	switch (error) {
	case EAGAIN:
		stats->udp_failed_again += count;
		break;
	case ENOBUFS:
	case ENOMEM:
		stats->udp_failed_memory += count;
		break;
	case EPERM:
	case EACCES:
		stats->udp_failed_permission += count;
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case ECONNREFUSED:
		stats->udp_failed_unreachable += count;
		break;
	case EMSGSIZE:
		stats->udp_failed_size += count;
		break;
	default:
		stats->udp_failed_other += count;
		break;
	}
}
