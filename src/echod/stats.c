#include "echod/stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct row {
	const char *name;
	size_t offset;
	const char *family, *type, *label, *help;
} table[] = {
#define STATS_ROW(name, ...) {#name, offsetof(struct stats, name), __VA_ARGS__},
        STATS_TABLE(STATS_ROW)
#undef STATS_ROW
};

enum {
	N_ROWS = sizeof(table) / sizeof(table[0]),
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
	for (size_t i = 0; i < N_ROWS && length < size; i++) {
		length += (size_t)snprintf(text + length, size - length, "%s%s=%llu", i ? " " : "",
		        table[i].name, (unsigned long long)value_of(stats, i));
	}
	return text;
}

void
stats_parse(struct stats *stats, const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		const char *value = memchr(text, '=', (size_t)(end - text));
		uint64_t number = 0;
		size_t row = 0;

		if (!value)
			return;
		while (row < N_ROWS &&
		        (strncmp(table[row].name, text, (size_t)(value - text)) != 0 ||
		                table[row].name[value - text]))
			row++;
		for (text = value + 1; text < end && *text != ' '; text++)
			number = number * 10 + (uint64_t)(*text - '0');
		if (row < N_ROWS)
			memcpy((char *)stats + table[row].offset, &number, sizeof(number));
		text++;
	}
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

	for (size_t i = 0; i < N_ROWS; i++)
		if (strncmp(table[i].name, refused_prefix, sizeof(refused_prefix) - 1) == 0)
			refused += value_of(stats, i);
	snprintf(text, size, "%llu connection%s, %s echoed, %llu datagram%s refused",
	        (unsigned long long)stats->tcp_open, stats->tcp_open == 1 ? "" : "s",
	        format_bytes(
	                stats->tcp_sent_bytes + stats->udp_answered_bytes, echoed, sizeof(echoed)),
	        (unsigned long long)refused, refused == 1 ? "" : "s");
	return text;
}

/* The first row from this one on that belongs to the family; N_ROWS if there is none. */
static size_t
find_row(const char *family, size_t row)
{
	while (row < N_ROWS && strcmp(table[row].family, family) != 0)
		row++;
	return row;
}

static int
write_sample(const struct stats *stats, size_t row, char *text, size_t size)
{
	const char *label = table[row].label;

	return snprintf(text, size, "%s%s%s%s %llu\n", table[row].family, *label ? "{" : "", label,
	        *label ? "}" : "", (unsigned long long)value_of(stats, row));
}

size_t
stats_exposition(const struct stats *stats, char text[STATS_EXPOSITION_SIZE])
{
	const size_t size = STATS_EXPOSITION_SIZE;
	size_t length = (size_t)snprintf(text, size,
	        "# HELP echod_build_info The version of the daemon, as a label\n"
	        "# TYPE echod_build_info gauge\n"
	        "echod_build_info{version=\"" ECHOD_VERSION "\"} 1\n");

	for (size_t first = 0; first < N_ROWS; first++) {
		const char *family = table[first].family, *help = table[first].help;

		if (find_row(family, 0) < first)
			continue;
		length += (size_t)snprintf(text + length, size - length,
		        "# HELP %s %.*s\n# TYPE %s %s\n", family, (int)strcspn(help, ":"), help,
		        family, table[first].type);
		for (size_t row = first; row < N_ROWS; row = find_row(family, row + 1))
			length += (size_t)write_sample(stats, row, text + length, size - length);
	}
	return length;
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
