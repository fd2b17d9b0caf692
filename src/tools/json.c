#include "echod/tools/json.h"

#include "echod/common/clock.h"

#include <json-c/json.h>

void
json_add_count(struct json_object *object, const char *name, uint64_t value)
{
	json_object_object_add(object, name, json_object_new_uint64(value));
}

void
json_add_real(struct json_object *object, const char *name, double value)
{
	char text[64];

	snprintf(text, sizeof(text), "%.6f", value);
	json_object_object_add(object, name, json_object_new_double_s(value, text));
}

void
json_add_seconds(struct json_object *object, const char *name, uint64_t ns)
{
	char text[64];

	snprintf(text, sizeof(text), "%llu.%09llu", (unsigned long long)(ns / NS_PER_S),
	        (unsigned long long)(ns % NS_PER_S));
	json_object_object_add(object, name, json_object_new_double_s(clock_seconds(ns), text));
}

void
json_add_text(struct json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

void
json_print_line(struct json_object *object, FILE *file)
{
	int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;

	fprintf(file, "%s\n", json_object_to_json_string_ext(object, flags));
	json_object_put(object);
}
