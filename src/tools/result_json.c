/* A result as JSON (RFC 8259), and back. */
#include "echod/common/clock.h"
#include "echod/tools/hdr.h"
#include "echod/tools/json.h"
#include "echod/tools/result.h"
#include "echod/tools/result_field.h"
#include "echod/tools/timestamp.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	double part;
} quantiles[] = {
        {"p50_s", .5}, {"p90_s", .9}, {"p99_s", .99}, {"p99_9_s", .999}, {"p99_99_s", .9999}};

/* The object that holds a field, which is made where make asks for it, and the field's name. */
static struct json_object *
find_holder(struct json_object *root, const char *path, const char **name, bool make)
{
	const char *point = strchr(path, '.');
	char holder_name[32];
	struct json_object *holder = NULL;

	*name = path;
	if (!point)
		return root;
	snprintf(holder_name, sizeof(holder_name), "%.*s", (int)(point - path), path);
	*name = point + 1;
	if (json_object_object_get_ex(root, holder_name, &holder) || !make)
		return holder;
	holder = json_object_new_object();
	json_object_object_add(root, holder_name, holder);
	return holder;
}

static void
add_field(struct json_object *root, const struct result *result, const struct result_field *field)
{
	const void *value = (const char *)result + field->offset;
	char moment[TIMESTAMP_TEXT_SIZE];
	const char *name, *text = NULL;
	struct json_object *holder;

	if (field->kind == RESULT_TEXT)
		text = *(char *const *)value;
	if (field->kind == RESULT_TEXT ? !text : field->optional && *(const uint64_t *)value == 0)
		return;
	holder = find_holder(root, field->path, &name, true);
	switch (field->kind) {
	case RESULT_TEXT:
		json_add_text(holder, name, text);
		break;
	case RESULT_COUNT:
		json_add_count(holder, name, *(const uint64_t *)value);
		break;
	case RESULT_SECONDS:
		json_add_seconds(holder, name, *(const uint64_t *)value);
		break;
	case RESULT_MOMENT:
		json_add_text(holder, name, timestamp_format(*(const uint64_t *)value, moment));
		break;
	case RESULT_SHARE:
	default:
		json_add_real(holder, name, *(const double *)value);
		break;
	}
}

static void
add_hdr(struct json_object *object, const unsigned char *bytes, size_t size)
{
	char *text = hdr_to_text(bytes, size);

	if (text)
		json_add_text(object, "hdr", text);
	free(text);
}

static void
add_histogram(struct json_object *root, const char *name, const struct histogram *histogram)
{
	static unsigned char bytes[HDR_MAX_SIZE];
	struct json_object *times;

	if (histogram->total == 0)
		return;
	times = json_object_new_object();
	json_object_object_add(root, name, times);
	json_add_count(times, "count", histogram->total);
	json_add_seconds(times, "min_s", histogram->min);
	json_add_seconds(times, "mean_s", histogram->sum / histogram->total);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		json_add_seconds(
		        times, quantiles[i].name, histogram_quantile(histogram, quantiles[i].part));
	json_add_seconds(times, "max_s", histogram->max);
	json_add_seconds(times, "sum_s", histogram->sum);
	add_hdr(times, bytes, hdr_encode(histogram, bytes));
}

static void
add_intervals(struct json_object *root, const struct result *result, size_t first)
{
	static struct histogram echo_ns;
	struct json_object *intervals = json_object_new_array();

	for (size_t i = first; i < result->n_intervals; i++) {
		const struct result_interval *interval = &result->intervals[i];
		struct json_object *object = json_object_new_object();

		memset(&echo_ns, 0, sizeof(echo_ns));
		hdr_decode(interval->hdr, interval->hdr_size, &echo_ns);
		json_add_count(object, "time", interval->time_s);
		json_add_count(object, "sent", interval->sent);
		json_add_count(object, "messages", interval->echoed);
		json_add_count(object, "bytes", interval->echoed * result->size);
		json_add_count(object, "lost", interval->lost);
		if (echo_ns.total > 0) {
			json_add_seconds(object, "p50_s", histogram_quantile(&echo_ns, .5));
			json_add_seconds(object, "p99_s", histogram_quantile(&echo_ns, .99));
			json_add_seconds(object, "max_s", echo_ns.max);
		}
		add_hdr(object, interval->hdr, interval->hdr_size);
		json_object_array_add(intervals, object);
	}
	json_object_object_add(root, "intervals", intervals);
}

struct json_object *
result_to_json(const struct result *result, size_t first_interval)
{
	struct json_object *root = json_object_new_object();

	json_add_count(root, "schema", RESULT_SCHEMA);
	for (size_t i = 0; i < result_n_fields; i++)
		add_field(root, result, &result_fields[i]);
	json_add_real(root, "messages_per_second", result_rate(result));
	json_add_real(root, "bytes_per_second", result_rate(result) * (double)result->size);
	if (result->per_connection > 0)
		json_add_real(root, "connections_per_second", result_connection_rate(result));
	json_object_object_add(
	        root, "limited_by_tool", json_object_new_boolean(result_is_limited(result)));
	add_histogram(root, "connect", &result->connect_ns);
	add_histogram(root, "echo", &result->echo_ns);
	add_histogram(root, "close", &result->close_ns);
	add_intervals(root, result, first_interval);
	return root;
}

/* What reading has met: the object in hand, and the first field that was missing or wrong. */
struct reader {
	char *problem;
	size_t size;
	bool failed;
};

static void
complain(struct reader *reader, const char *where, const char *what)
{
	if (!reader->failed)
		snprintf(reader->problem, reader->size, "%s %s", where, what);
	reader->failed = true;
}

static uint64_t
read_count(struct reader *reader, struct json_object *object, const char *where)
{
	if (!json_object_is_type(object, json_type_int) || json_object_get_int64(object) < 0) {
		complain(reader, where, "is no count");
		return 0;
	}
	return json_object_get_uint64(object);
}

static uint64_t
read_seconds(struct reader *reader, struct json_object *object, const char *where)
{
	uint64_t ns = 0;
	double seconds = json_object_get_double(object);

	if (json_object_is_type(object, json_type_double) ||
	        json_object_is_type(object, json_type_int)) {
		if (timestamp_parse_seconds(json_object_get_string(object), &ns) == 0)
			return ns;
		if (seconds >= 0 && seconds < 1e9) /* with an exponent, by another program */
			return (uint64_t)(seconds * (double)NS_PER_S + .5);
	}
	complain(reader, where, "is no time in seconds");
	return 0;
}

static void
read_value(struct reader *reader, struct json_object *object, const struct result_field *field,
        void *value)
{
	switch (field->kind) {
	case RESULT_TEXT:
		if (json_object_is_type(object, json_type_string))
			result_set_text(value, json_object_get_string(object));
		else
			complain(reader, field->path, "is no text");
		if (!*(char **)value)
			complain(reader, field->path, strerror(ENOMEM));
		break;
	case RESULT_COUNT:
		*(uint64_t *)value = read_count(reader, object, field->path);
		break;
	case RESULT_SECONDS:
		*(uint64_t *)value = read_seconds(reader, object, field->path);
		break;
	case RESULT_MOMENT:
		if (!json_object_is_type(object, json_type_string) ||
		        timestamp_parse(json_object_get_string(object), value) < 0)
			complain(reader, field->path, "is no time as in RFC 3339");
		break;
	case RESULT_SHARE:
	default:
		*(double *)value = json_object_get_double(object);
		if (!(*(double *)value >= 0 && *(double *)value < 1e9))
			complain(reader, field->path, "is no share");
		break;
	}
}

static void
read_field(struct reader *reader, struct json_object *root, const struct result_field *field,
        struct result *result)
{
	const char *name;
	struct json_object *holder = find_holder(root, field->path, &name, false), *object;

	if (json_object_object_get_ex(holder, name, &object))
		read_value(reader, object, field, (char *)result + field->offset);
	else if (!field->optional && field->kind != RESULT_TEXT)
		complain(reader, field->path, "is missing");
}

/* The number or the text of this name, or a complaint. */
static struct json_object *
require(struct reader *reader, struct json_object *object, const char *name, const char *where)
{
	struct json_object *found = NULL;
	char text[64];

	if (!json_object_object_get_ex(object, name, &found)) {
		snprintf(text, sizeof(text), "%s.%s", where, name);
		complain(reader, text, "is missing");
	}
	return found;
}

static void
read_hdr(struct reader *reader, struct json_object *object, const char *where,
        struct histogram *histogram, unsigned char *bytes, size_t *size)
{
	struct json_object *text = require(reader, object, "hdr", where);
	int error = -EBADMSG;

	if (json_object_is_type(text, json_type_string))
		error = hdr_from_text(json_object_get_string(text), bytes, size);
	if (!error)
		error = hdr_decode(bytes, *size, histogram);
	if (error)
		complain(reader, where,
		        error == -ENOMEM ? strerror(ENOMEM)
		                         : "has no histogram as HdrHistogram writes them");
}

static void
read_histogram(struct reader *reader, struct json_object *root, const char *name,
        struct histogram *histogram)
{
	static unsigned char bytes[HDR_MAX_SIZE];
	struct json_object *object;
	size_t size;
	uint64_t min, max;

	if (!json_object_object_get_ex(root, name, &object))
		return;
	read_hdr(reader, object, name, histogram, bytes, &size);
	min = read_seconds(reader, require(reader, object, "min_s", name), name);
	max = read_seconds(reader, require(reader, object, "max_s", name), name);
	histogram->sum = read_seconds(reader, require(reader, object, "sum_s", name), name);
	if (!reader->failed && (histogram_bucket(min) != histogram_bucket(histogram->min) ||
	                               histogram_bucket(max) != histogram_bucket(histogram->max)))
		complain(reader, name, "does not agree with its histogram");
	histogram->min = min;
	histogram->max = max;
}

static void
read_intervals(struct reader *reader, struct json_object *root, struct result *result)
{
	static unsigned char bytes[HDR_MAX_SIZE];
	static struct histogram echo_ns;
	struct json_object *all;

	if (!json_object_object_get_ex(root, "intervals", &all) ||
	        !json_object_is_type(all, json_type_array)) {
		complain(reader, "intervals", "is missing");
		return;
	}
	for (size_t i = 0; i < json_object_array_length(all) && !reader->failed; i++) {
		struct json_object *object = json_object_array_get_idx(all, i);
		static const char where[] = "intervals";
		struct result_interval interval;
		size_t size;

		memset(&echo_ns, 0, sizeof(echo_ns));
		interval = (struct result_interval){
		        .time_s = read_count(reader, require(reader, object, "time", where), where),
		        .sent = read_count(reader, require(reader, object, "sent", where), where),
		        .echoed = read_count(
		                reader, require(reader, object, "messages", where), where),
		        .lost = read_count(reader, require(reader, object, "lost", where), where),
		};
		read_hdr(reader, object, where, &echo_ns, bytes, &size);
		if (i > 0 && interval.time_s <= result->intervals[i - 1].time_s)
			complain(reader, where, "are not in the order of their times");
		if (!reader->failed && result_add_interval(result, &interval, &echo_ns) < 0)
			complain(reader, where, strerror(ENOMEM));
	}
}

int
result_from_json(struct json_object *json, struct result *result, char *problem, size_t size)
{
	struct reader reader = {problem, size, false};
	struct json_object *schema;

	memset(result, 0, sizeof(*result));
	if (!json_object_is_type(json, json_type_object) ||
	        !json_object_object_get_ex(json, "schema", &schema))
		complain(&reader, "this", "is no result of echod-bench or echod-client");
	else if (json_object_get_uint64(schema) != RESULT_SCHEMA)
		complain(&reader, "schema", "is not 1, which this program reads");
	for (size_t i = 0; i < result_n_fields && !reader.failed; i++)
		read_field(&reader, json, &result_fields[i], result);
	if (!reader.failed) {
		read_histogram(&reader, json, "connect", &result->connect_ns);
		read_histogram(&reader, json, "echo", &result->echo_ns);
		read_histogram(&reader, json, "close", &result->close_ns);
		read_intervals(&reader, json, result);
	}
	return reader.failed ? -EBADMSG : 0;
}
