#include "echod/bench/result_file.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 30 };

int
result_file_print(const struct result *result, FILE *file)
{
	struct json_object *json = result_to_json(result, 0);
	int flags =
	        JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;

	fprintf(file, "%s\n", json_object_to_json_string_ext(json, flags));
	json_object_put(json);
	return fflush(file) != 0 || ferror(file) ? -EIO : 0;
}

int
result_file_write(const char *path, const struct result *result)
{
	char *beside = NULL;
	FILE *file;
	int error;

	if (asprintf(&beside, "%s.%ld", path, (long)getpid()) < 0)
		return -ENOMEM;
	file = fopen(beside, "we");
	error = file ? result_file_print(result, file) : -errno;
	if (file && fclose(file) != 0)
		error = -errno;
	if (!error && rename(beside, path) < 0)
		error = -errno;
	if (error && file)
		unlink(beside);
	free(beside);
	return error;
}

/* Returns the whole file with a NUL behind it, or NULL with errno. */
static char *
read_text(const char *path, size_t *length)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t n = 0, room = 0;

	while (file && !feof(file) && !ferror(file)) {
		char *grown = room < MAX_FILE ? realloc(text, room += room / 2 + 65536) : NULL;

		if (!grown)
			break;
		text = grown;
		n += fread(text + n, 1, room - n - 1, file);
		text[n] = '\0';
	}
	if (!file || ferror(file) || !feof(file)) {
		int error = file && !ferror(file) ? EFBIG : errno;

		free(text);
		text = NULL;
		errno = error;
	}
	if (file)
		fclose(file);
	*length = n;
	return text;
}

/* The last of the objects that follow one another in the text, or NULL. */
static struct json_object *
parse_last(const char *text, size_t length)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *last = NULL;

	while (tokener && length > 0) {
		struct json_object *next = json_tokener_parse_ex(tokener, text, (int)length);
		size_t used = json_tokener_get_parse_end(tokener);

		if (json_tokener_get_error(tokener) == json_tokener_continue &&
		        strspn(text, " \t\r\n") == length)
			break;
		json_object_put(last);
		last = next;
		if (json_tokener_get_error(tokener) != json_tokener_success || used == 0)
			break;
		text += used;
		length -= used;
	}
	json_tokener_free(tokener);
	return last;
}

int
result_file_read(const char *path, struct result *result, char *problem, size_t size)
{
	size_t length;
	char *text = read_text(path, &length), why[128] = "is not JSON, or not all of it";
	struct json_object *json;
	int error = -errno;

	memset(result, 0, sizeof(*result));
	if (!text) {
		snprintf(problem, size, "%s: %s", path, strerror(-error));
		return error;
	}
	json = parse_last(text, length);
	error = json ? result_from_json(json, result, why, sizeof(why)) : -EBADMSG;
	if (error)
		snprintf(problem, size, "%s: %s", path, why);
	json_object_put(json);
	free(text);
	return error;
}

int
result_file_merge(char *const *paths, size_t n, struct result *result, char *problem, size_t size)
{
	struct result *parts = calloc(n, sizeof(*parts));
	char why[128];
	int error = parts ? 0 : -ENOMEM;

	memset(result, 0, sizeof(*result));
	if (!parts)
		snprintf(problem, size, "%s", strerror(ENOMEM));
	for (size_t i = 0; i < n && !error; i++)
		error = result_file_read(paths[i], &parts[i], problem, size);
	for (size_t i = 0; i < n && !error; i++) {
		error = result_merge(result, &parts[i], why, sizeof(why));
		if (error)
			snprintf(problem, size, "%s: %s as in %s", paths[i],
			        error == -EINVAL ? why : strerror(-error), paths[0]);
	}
	for (size_t i = 0; parts && i < n; i++)
		result_release(&parts[i]);
	free(parts);
	return error;
}
