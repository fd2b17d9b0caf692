/* Results in files. */
#pragma once

#include "echod/tools/result.h"

#include <stddef.h>
#include <stdio.h>

/* Writes a result as JSON. Returns 0 or a negative errno. */
int result_file_print(const struct result *result, FILE *file);

/*
 * Replaces a file with the result, in one step: a reader sees the old one or the new one. Returns 0
 * or a negative errno.
 */
int result_file_write(const char *path, const struct result *result);

/*
 * Reads the result of a file, which is the last of its JSON objects. Returns 0 or a negative errno,
 * and in problem what is wrong, cut to size bytes. Release the result in either case.
 */
int result_file_read(const char *path, struct result *result, char *problem, size_t size);

/*
 * Reads and merges files; nothing is merged unless all can be read. Returns as result_file_read(),
 * and the problem names the file.
 */
int result_file_merge(
        char *const *paths, size_t n, struct result *result, char *problem, size_t size);
