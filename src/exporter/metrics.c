#include "echod/exporter/metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP "# HELP "
#define TYPE "# TYPE "

/* The value of a label, escaped as the format wants it. */
static void
write_label_value(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", out);
		} else {
			if (*text == '"' || *text == '\\')
				fputc('\\', out);
			fputc(*text, out);
		}
	}
}

static const char *
next_line(const char *line)
{
	return line + strcspn(line, "\n") + 1;
}

/* How long the name of the family is that a line "# HELP family …" begins. */
static size_t
name_length(const char *help)
{
	return strcspn(help + strlen(HELP), " \n");
}

/* The line "# HELP family …" in an answer, or NULL. */
static const char *
find_family(const struct reader_source *source, const char *family, size_t length)
{
	for (const char *line = source->text; *line; line = next_line(line))
		if (strncmp(line, HELP, strlen(HELP)) == 0 && name_length(line) == length &&
		        strncmp(line + strlen(HELP), family, length) == 0)
			return line;
	return NULL;
}

/* family{label="value"} 1, or family 1 */
static void
write_sample(FILE *out, const char *instance, const char *line, size_t name)
{
	const char *rest = line + name;

	fprintf(out, "%.*s{instance_name=\"", (int)name, line);
	write_label_value(out, instance);
	if (*rest == '{')
		fprintf(out, "\",%.*s\n", (int)strcspn(rest + 1, "\n"), rest + 1);
	else
		fprintf(out, "\"}%.*s\n", (int)strcspn(rest, "\n"), rest);
}

/* The samples that follow a line "# HELP family …" in an answer. */
static void
write_samples(FILE *out, const struct reader_source *source, const char *help)
{
	const char *family = help + strlen(HELP), *line = next_line(help);
	size_t length = name_length(help);

	for (; *line && strncmp(line, HELP, strlen(HELP)) != 0; line = next_line(line))
		if (strncmp(line, family, length) == 0 &&
		        (line[length] == '{' || line[length] == ' '))
			write_sample(out, source->instance, line, length);
}

static void
write_family(FILE *out, const struct reader *reader, const char *help)
{
	const char *family = help + strlen(HELP), *type = next_line(help);
	size_t length = name_length(help);

	fprintf(out, "%.*s\n", (int)strcspn(help, "\n"), help);
	if (strncmp(type, TYPE, strlen(TYPE)) == 0)
		fprintf(out, "%.*s\n", (int)strcspn(type, "\n"), type);
	for (size_t i = 0; i < reader->count; i++) {
		const char *other = find_family(reader->sources[i], family, length);

		if (other)
			write_samples(out, reader->sources[i], other);
	}
}

/* Whether an answer before this one has the family: then it has been written. */
static bool
is_written(const struct reader *reader, size_t source, const char *help)
{
	for (size_t i = 0; i < source; i++)
		if (find_family(reader->sources[i], help + strlen(HELP), name_length(help)))
			return true;
	return false;
}

static void
write_all(FILE *out, const struct reader *reader)
{
	fputs(HELP "echod_up Whether the daemon has answered\n" TYPE "echod_up gauge\n", out);
	for (size_t i = 0; i < reader->count; i++) {
		fputs("echod_up{instance_name=\"", out);
		write_label_value(out, reader->sources[i]->instance);
		fprintf(out, "\"} %d\n", reader->sources[i]->error == 0);
	}
	for (size_t i = 0; i < reader->count; i++)
		for (const char *line = reader->sources[i]->text; *line; line = next_line(line))
			if (strncmp(line, HELP, strlen(HELP)) == 0 && !is_written(reader, i, line))
				write_family(out, reader, line);
}

char *
metrics_merge(const struct reader *reader, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);
	bool failed;

	if (!out)
		return NULL;
	write_all(out, reader);
	failed = ferror(out);
	if (fclose(out) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}
