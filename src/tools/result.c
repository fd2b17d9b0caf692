#include "echod/tools/result.h"

#include "echod/common/clock.h"
#include "echod/tools/hdr.h"
#include "echod/tools/result_field.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT 0.9

#define FIELD(path, kind, rule, member)                                                            \
	{                                                                                          \
		path, RESULT_##kind, RESULT_##rule, offsetof(struct result, member), 0             \
	}
#define OPTIONAL(path, kind, rule, member)                                                         \
	{                                                                                          \
		path, RESULT_##kind, RESULT_##rule, offsetof(struct result, member), 1             \
	}

const struct result_field result_fields[] = {
        FIELD("tool", TEXT, SAME, tool),
        FIELD("version", TEXT, SAME, version),
        OPTIONAL("start_time", MOMENT, SPAN, start_ns),
        FIELD("duration_s", SECONDS, SPAN, duration_ns),
        FIELD("hostname", TEXT, UNION, hostname),
        FIELD("label", TEXT, UNION, label),
        FIELD("ended_by", TEXT, UNION, ended_by),
        FIELD("error", TEXT, UNION, error),
        FIELD("target.host", TEXT, SAME, host),
        FIELD("target.address", TEXT, SAME, address),
        FIELD("target.protocol", TEXT, SAME, protocol),
        FIELD("options.processes", COUNT, SUM, processes),
        FIELD("options.connections", COUNT, SUM, connections),
        FIELD("options.size_bytes", COUNT, SAME, size),
        OPTIONAL("options.depth", COUNT, SAME, depth),
        OPTIONAL("options.rate", COUNT, SUM, rate),
        OPTIONAL("options.messages_per_connection", COUNT, SAME, per_connection),
        OPTIONAL("options.connect_rate", COUNT, SUM, connect_rate),
        OPTIONAL("options.total", COUNT, SUM, total),
        OPTIONAL("options.duration_s", SECONDS, SAME, wanted_ns),
        FIELD("options.warmup_s", SECONDS, SAME, warmup_ns),
        OPTIONAL("options.interval_s", SECONDS, SAME, interval_ns),
        FIELD("options.timeout_s", SECONDS, SAME, timeout_ns),
        FIELD("connections.opened", COUNT, SUM, opened),
        FIELD("connections.failed", COUNT, SUM, failed),
        FIELD("connections.broken", COUNT, SUM, broken),
        OPTIONAL("connections.closed_in_time", COUNT, SUM, closed_in_time),
        FIELD("counts.sent", COUNT, SUM, sent),
        FIELD("counts.echoed", COUNT, SUM, echoed),
        FIELD("counts.lost", COUNT, SUM, lost),
        FIELD("counts.late", COUNT, SUM, late),
        FIELD("counts.corrupted", COUNT, SUM, corrupted),
        FIELD("counts.duplicated", COUNT, SUM, duplicated),
        OPTIONAL("counts.reordered", COUNT, SUM, reordered),
        FIELD("counts.warmup_faults", COUNT, SUM, warmup_faults),
        FIELD("counts.echoed_in_time", COUNT, SUM, echoed_in_time),
        FIELD("cpu.tool_s", SECONDS, SUM, tool_cpu_ns),
        FIELD("cpu.tool_load", SHARE, MAX, tool_load),
        OPTIONAL("cpu.server_s", SECONDS, MAX, server_cpu_ns),
        OPTIONAL("tcp.connections", COUNT, SUM, tcp.asked),
        OPTIONAL("tcp.retransmits", COUNT, SUM, tcp.retransmits),
        OPTIONAL("tcp.lost", COUNT, SUM, tcp.lost),
        OPTIONAL("tcp.rtt_sum_s", SECONDS, SUM, tcp.rtt_ns),
        OPTIONAL("jitter_s", SECONDS, MAX, jitter_ns),
        OPTIONAL("ipdv.pairs", COUNT, SUM, ipdv_pairs),
        OPTIONAL("ipdv.sum_s", SECONDS, SUM, ipdv_sum_ns),
};
const size_t result_n_fields = sizeof(result_fields) / sizeof(result_fields[0]);

static void *
at(const struct result *result, const struct result_field *field)
{
	/* const is for the readers; the writers below own the result */
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): takes const away, which a cast may not */
	return (void *)(uintptr_t)((const char *)result + field->offset);
}

void
result_describe(struct result *result, const char *tool, const struct tool_target *target,
        const struct address *to)
{
	char text[ADDRESS_TEXT_SIZE], hostname[256] = "";

	gethostname(hostname, sizeof(hostname) - 1);
	result_set_text(&result->tool, tool);
	result_set_text(&result->version, ECHOD_VERSION);
	result_set_text(&result->hostname, hostname);
	result_set_text(&result->host, target->host);
	result_set_text(&result->address, address_format(to, text, sizeof(text)));
	result_set_text(&result->protocol, target->udp ? "udp" : "tcp");
	result->processes = 1;
}

void
result_release(struct result *result)
{
	for (size_t i = 0; i < result_n_fields; i++)
		if (result_fields[i].kind == RESULT_TEXT)
			free(*(char **)at(result, &result_fields[i]));
	for (size_t i = 0; i < result->n_intervals; i++)
		free(result->intervals[i].hdr);
	free(result->intervals);
	memset(result, 0, sizeof(*result));
}

void
result_set_text(char **text, const char *value)
{
	char *copy = value ? strdup(value) : NULL;

	free(*text);
	*text = copy;
}

/* Makes room for an interval before the one at this place. Returns it, or NULL. */
static struct result_interval *
insert_interval(struct result *result, size_t place)
{
	size_t after = result->n_intervals - place;
	struct result_interval *grown =
	        reallocarray(result->intervals, result->n_intervals + 1, sizeof(*grown));

	if (!grown)
		return NULL;
	result->intervals = grown;
	result->n_intervals++;
	memmove(grown + place + 1, grown + place, after * sizeof(*grown));
	grown[place] = (struct result_interval){0};
	return &grown[place];
}

static int
set_latencies(struct result_interval *interval, const struct histogram *echo_ns)
{
	static unsigned char bytes[HDR_MAX_SIZE];
	size_t size = hdr_encode(echo_ns, bytes);
	unsigned char *hdr = realloc(interval->hdr, size);

	if (!hdr)
		return -ENOMEM;
	memcpy(hdr, bytes, size);
	interval->hdr = hdr;
	interval->hdr_size = size;
	return 0;
}

int
result_add_interval(struct result *result, const struct result_interval *interval,
        const struct histogram *echo_ns)
{
	struct result_interval *added = insert_interval(result, result->n_intervals);

	if (!added)
		return -ENOMEM;
	*added = *interval;
	added->hdr = NULL;
	return set_latencies(added, echo_ns);
}

bool
result_has_more(const struct result *result, const struct result_mark *mark)
{
	return result->sent > mark->sent || result->echoed > mark->echoed ||
	       result->lost > mark->lost;
}

int
result_end_interval(struct result *result, struct result_mark *mark, uint64_t passed_ns)
{
	static struct histogram since;
	uint64_t second = (passed_ns + NS_PER_S / 2) / NS_PER_S, next = 0;
	struct result_interval interval = {.time_s = (result->start_ns + NS_PER_S / 2) / NS_PER_S,
	        .sent = result->sent - mark->sent,
	        .echoed = result->echoed - mark->echoed,
	        .lost = result->lost - mark->lost};

	if (result->n_intervals > 0)
		next = result->intervals[result->n_intervals - 1].time_s + 1 - interval.time_s;
	/* the process may have been stopped for some seconds */
	interval.time_s += second > next + 1 ? second - 1 : next;
	histogram_since(&result->echo_ns, &mark->echo_ns, &since);
	mark->sent = result->sent;
	mark->echoed = result->echoed;
	mark->lost = result->lost;
	mark->echo_ns = result->echo_ns;
	return result_add_interval(result, &interval, &since);
}

int
result_prepend_intervals(struct result *later, struct result *earlier)
{
	size_t n = earlier->n_intervals + later->n_intervals;
	struct result_interval *all = reallocarray(earlier->intervals, n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	if (later->n_intervals > 0)
		memcpy(all + earlier->n_intervals, later->intervals,
		        later->n_intervals * sizeof(*all));
	free(later->intervals);
	later->intervals = all;
	later->n_intervals = n;
	earlier->intervals = NULL;
	earlier->n_intervals = 0;
	return 0;
}

static int
merge_interval(struct result_interval *sum, const struct result_interval *part)
{
	static struct histogram echo_ns;

	memset(&echo_ns, 0, sizeof(echo_ns));
	if (sum->hdr)
		hdr_decode(sum->hdr, sum->hdr_size, &echo_ns);
	hdr_decode(part->hdr, part->hdr_size, &echo_ns);
	sum->time_s = part->time_s;
	sum->sent += part->sent;
	sum->echoed += part->echoed;
	sum->lost += part->lost;
	return set_latencies(sum, &echo_ns);
}

static int
merge_intervals(struct result *sum, const struct result *part)
{
	size_t place = 0;

	for (size_t i = 0; i < part->n_intervals; i++) {
		const struct result_interval *interval = &part->intervals[i];
		struct result_interval *into;

		while (place < sum->n_intervals && sum->intervals[place].time_s < interval->time_s)
			place++;
		into = place < sum->n_intervals && sum->intervals[place].time_s == interval->time_s
		               ? &sum->intervals[place]
		               : insert_interval(sum, place);
		if (!into || merge_interval(into, interval) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The texts of both, each once, in order. NULL for want of memory. */
static char *
unite(const char *a, const char *b)
{
	size_t n = 0, size = strlen(a) + strlen(b) + 4;
	char *both = malloc(size), *result = malloc(size), **texts = calloc(size, sizeof(*texts));
	char *end = result;

	if (both && result && texts) {
		char *rest = both;

		stpcpy(stpcpy(stpcpy(both, a), ", "), b);
		while (rest) {
			char *text = rest;

			rest = strstr(text, ", ");
			if (rest) {
				*rest = '\0';
				rest += 2;
			}
			texts[n++] = text;
		}
		qsort(texts, n, sizeof(*texts), compare_texts);
		*result = '\0';
		for (size_t i = 0; i < n; i++)
			if (i == 0 || strcmp(texts[i], texts[i - 1]) != 0)
				end = stpcpy(stpcpy(end, i > 0 ? ", " : ""), texts[i]);
	} else {
		free(result);
		result = NULL;
	}
	free(both);
	free(texts);
	return result;
}

static int
merge_text(char **sum, const char *part)
{
	char *united;

	if (!part || (*sum && strcmp(*sum, part) == 0))
		return 0;
	united = *sum ? unite(*sum, part) : strdup(part);
	if (!united)
		return -ENOMEM;
	free(*sum);
	*sum = united;
	return 0;
}

static void
merge_number(const struct result_field *field, void *sum, const void *part)
{
	uint64_t *number = sum, other = *(const uint64_t *)part;

	if (field->kind == RESULT_SHARE)
		*(double *)sum = *(double *)sum > *(const double *)part ? *(double *)sum
		                                                        : *(const double *)part;
	else if (field->rule == RESULT_SUM)
		*number += other;
	else if (field->rule != RESULT_SPAN && other > *number) /* what is the same, too */
		*number = other;
}

static void
merge_span(struct result *sum, const struct result *part)
{
	uint64_t end_ns = sum->start_ns + sum->duration_ns;
	uint64_t other_end_ns = part->start_ns + part->duration_ns;

	if (part->start_ns == 0)
		return;
	if (sum->start_ns == 0 || part->start_ns < sum->start_ns)
		sum->start_ns = part->start_ns;
	sum->duration_ns = (other_end_ns > end_ns ? other_end_ns : end_ns) - sum->start_ns;
}

static bool
are_equal(const struct result_field *field, const struct result *a, const struct result *b)
{
	if (field->kind == RESULT_TEXT) {
		const char *x = *(char **)at(a, field), *y = *(char **)at(b, field);

		return x && y ? strcmp(x, y) == 0 : x == y;
	}
	return *(uint64_t *)at(a, field) == *(uint64_t *)at(b, field);
}

int
result_merge(struct result *sum, const struct result *part, char *problem, size_t size)
{
	for (size_t i = 0; i < result_n_fields; i++) {
		const struct result_field *field = &result_fields[i];

		if (sum->tool && field->rule == RESULT_SAME && !are_equal(field, sum, part)) {
			snprintf(problem, size, "%s is not the same", field->path);
			return -EINVAL;
		}
	}
	for (size_t i = 0; i < result_n_fields; i++) {
		const struct result_field *field = &result_fields[i];

		if (field->kind != RESULT_TEXT)
			merge_number(field, at(sum, field), at(part, field));
		else if (merge_text(at(sum, field), *(char **)at(part, field)) < 0)
			return -ENOMEM;
	}
	merge_span(sum, part);
	histogram_add(&sum->connect_ns, &part->connect_ns);
	histogram_add(&sum->echo_ns, &part->echo_ns);
	histogram_add(&sum->close_ns, &part->close_ns);
	return merge_intervals(sum, part);
}

static double
rate(const struct result *result, uint64_t count)
{
	double seconds = clock_seconds(result->duration_ns);

	return seconds > 0 ? (double)count / seconds : 0;
}

double
result_rate(const struct result *result)
{
	return rate(result, result->echoed_in_time);
}

double
result_connection_rate(const struct result *result)
{
	return rate(result, result->closed_in_time);
}

bool
result_is_limited(const struct result *result)
{
	return result->tool_load > LIMIT;
}

bool
result_is_clean(const struct result *r)
{
	return r->echoed > 0 && r->echoed == r->sent && r->corrupted == 0 && r->duplicated == 0 &&
	       r->failed == 0 && r->broken == 0 && r->warmup_faults == 0;
}
