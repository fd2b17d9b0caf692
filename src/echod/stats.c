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

char *
stats_format(const struct stats *stats, char *text, size_t size)
{
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]) && length < size; i++) {
		uint64_t value;

		memcpy(&value, (const char *)stats + table[i].offset, sizeof(value));
		length += (size_t)snprintf(text + length, size - length, "%s%s=%llu", i ? " " : "",
		        table[i].name, (unsigned long long)value);
	}
	return text;
}

void
stats_count_send_error(struct stats *stats, int error)
{
	switch (error) {
	case EAGAIN:
		stats->udp_failed_again++;
		break;
	case ENOBUFS:
	case ENOMEM:
		stats->udp_failed_memory++;
		break;
	case EPERM:
	case EACCES:
		stats->udp_failed_permission++;
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case ECONNREFUSED:
		stats->udp_failed_unreachable++;
		break;
	case EMSGSIZE:
		stats->udp_failed_size++;
		break;
	default:
		stats->udp_failed_other++;
		break;
	}
}
