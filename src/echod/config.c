#include "echod/config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

struct reading {
	const char *path;
	FILE *file;
	int error;     /* errno of the file, 0: none */
	unsigned line; /* the last one read */
	enum option_outcome (*on_setting)(
	        void *owner, const char *name, const char *value, unsigned line);
	void *owner;
	enum option_outcome outcome; /* the first problem ends the reading */
	char *problem;
	size_t size;
};

static void
refuse_line(struct reading *reading, const char *why)
{
	snprintf(reading->problem, reading->size, "%s:%u: %s", reading->path, reading->line, why);
	reading->outcome = OPTIONS_WRONG;
}

/* As fgets(3). libinih would take a line that is too long for two, and stop at a NUL. */
static char *
config_on_line(char *text, int size, void *owner)
{
	struct reading *reading = owner;

	if (reading->outcome != OPTIONS_READ)
		return NULL;
	if (!fgets(text, size, reading->file)) {
		reading->error = ferror(reading->file) ? errno : 0;
		return NULL;
	}
	reading->line++;
	if (!strchr(text, '\n') && !feof(reading->file)) {
		refuse_line(reading, "the line is too long, or holds a NUL");
		return NULL;
	}
	return text;
}

/* Returns 0 for a problem, as ini.h wants it. */
static int
config_on_pair(void *owner, const char *section, const char *name, const char *value)
{
	struct reading *reading = owner;

	if (*section)
		refuse_line(reading, "there are no sections");
	if (reading->outcome == OPTIONS_READ)
		reading->outcome = reading->on_setting(reading->owner, name, value, reading->line);
	return reading->outcome == OPTIONS_READ;
}

static enum option_outcome
explain_error(const struct reading *reading, int error)
{
	snprintf(reading->problem, reading->size, "%s: %s", reading->path, strerror(error));
	return error == ENOENT || error == ENOTDIR || error == EISDIR || error == EACCES
	               ? OPTIONS_WRONG
	               : OPTIONS_FAILED;
}

enum option_outcome
config_read(const char *file,
        enum option_outcome (*on_setting)(
                void *owner, const char *name, const char *value, unsigned line),
        void *owner, char *problem, size_t size)
{
	struct reading reading = {
	        .path = file,
	        .file = fopen(file, "re"),
	        .on_setting = on_setting,
	        .owner = owner,
	        .outcome = OPTIONS_READ,
	        .problem = problem,
	        .size = size,
	};
	int wrong_line;

	if (!reading.file)
		return explain_error(&reading, errno);
	wrong_line = ini_parse_stream(config_on_line, &reading, config_on_pair, &reading);
	if (reading.error) {
		reading.outcome = explain_error(&reading, reading.error);
	} else if (wrong_line < 0) {
		reading.outcome = explain_error(&reading, ENOMEM);
	} else if (wrong_line > 0 &&
	           (reading.outcome == OPTIONS_READ || (unsigned)wrong_line < reading.line)) {
		reading.line = (unsigned)wrong_line;
		refuse_line(&reading, "must be NAME = VALUE");
	}
	fclose(reading.file);
	return reading.outcome;
}
