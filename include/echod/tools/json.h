/*
 * Members of JSON objects as results write them. json-c gives NULL for want of memory and takes it
 * for null: such an object is incomplete, not wrong.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct json_object;

void json_add_count(struct json_object *object, const char *name, uint64_t value);
void json_add_real(struct json_object *object, const char *name, double value);

/* A decimal fraction of seconds. */
void json_add_seconds(struct json_object *object, const char *name, uint64_t ns);
void json_add_text(struct json_object *object, const char *name, const char *text);

/* Writes the object as one line, and frees it. */
void json_print_line(struct json_object *object, FILE *file);
