#include "echod/tools/timestamp.h"

#include "echod/common/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	MINUTE_S = 60,
	HOUR_S = 3600,
	DIGITS = 9,
};

uint64_t
timestamp_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

char *
timestamp_format(uint64_t time_ns, char text[TIMESTAMP_TEXT_SIZE])
{
	time_t seconds = (time_t)(time_ns / NS_PER_S);
	struct tm utc;
	size_t n;

	gmtime_r(&seconds, &utc);
	n = strftime(text, TIMESTAMP_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + n, TIMESTAMP_TEXT_SIZE - n, ".%09uZ", (unsigned)(time_ns % NS_PER_S));
	return text;
}

/* Reads ".5", if there is a point. Returns the end, or NULL when no digit follows it. */
static const char *
parse_fraction(const char *text, uint64_t *ns)
{
	uint64_t unit = NS_PER_S / 10;

	*ns = 0;
	if (*text != '.')
		return text;
	if (!isdigit((unsigned char)*++text))
		return NULL;
	for (; isdigit((unsigned char)*text); text++, unit /= 10)
		*ns += (uint64_t)(*text - '0') * unit;
	return text;
}

int
timestamp_parse_seconds(const char *text, uint64_t *ns)
{
	uint64_t seconds = 0, fraction;
	const char *end = text;

	for (; isdigit((unsigned char)*end); end++) {
		if (seconds > UINT64_MAX / NS_PER_S / 10 - 1)
			return -EINVAL;
		seconds = seconds * 10 + (uint64_t)(*end - '0');
	}
	if (end == text)
		return -EINVAL;
	end = parse_fraction(end, &fraction);
	if (!end || *end)
		return -EINVAL;
	*ns = seconds * NS_PER_S + fraction;
	return 0;
}

/* Reads "Z" or "+01:30", all that is left. */
static int
parse_offset(const char *text, int *offset_s)
{
	int hours, minutes, n = 0;

	*offset_s = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return 0;
	if ((*text != '+' && *text != '-') || !isdigit((unsigned char)text[1]) ||
	        /* NOLINTNEXTLINE(cert-err34-c): two digits cannot overflow */
	        sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 || n != 5 ||
	        text[1 + n] != '\0' || hours > 23 || minutes < 0 || minutes > 59)
		return -EINVAL;
	*offset_s = (hours * HOUR_S + minutes * MINUTE_S) * (*text == '-' ? -1 : 1);
	return 0;
}

int
timestamp_parse(const char *text, uint64_t *time_ns)
{
	struct tm utc = {0}, given;
	const char *rest = strptime(text, "%Y-%m-%d", &utc);
	uint64_t fraction;
	time_t seconds;
	int offset_s;

	if (!rest)
		return timestamp_parse_seconds(text, time_ns);
	if ((*rest != 'T' && *rest != 't' && *rest != ' ') || !isdigit((unsigned char)rest[1]))
		return -EINVAL;
	rest = strptime(rest + 1, "%H:%M:%S", &utc);
	rest = rest ? parse_fraction(rest, &fraction) : NULL;
	if (!rest || parse_offset(rest, &offset_s) < 0)
		return -EINVAL;
	given = utc;
	seconds = timegm(&utc);
	if (seconds < offset_s || utc.tm_mday != given.tm_mday)
		return -EINVAL;
	*time_ns = (uint64_t)(seconds - offset_s) * NS_PER_S + fraction;
	return 0;
}
