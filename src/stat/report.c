#include "echod/stat/report.h"

#include "echod/tools/json.h"
#include "echod/tools/timestamp.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	COLUMN_WIDTH = 10,
};

void
report_text_titles(int name_width)
{
	printf("%-*s", name_width, "daemon");
	for (size_t i = 0; i < FIGURES; i++)
		printf(" %*s", COLUMN_WIDTH - 1, figure_kinds[i].title);
	putchar('\n');
}

/* At most six digits and a letter: "-", "0.5", "412", "999999", "1000k", "123457M". */
static char *
format_figure(double value, bool is_level, char *text, size_t size)
{
	static const char letters[] = " kMGTPE";
	size_t power = 0;

	if (isnan(value)) {
		snprintf(text, size, "-");
		return text;
	}
	for (; value >= 999999.5 && letters[power + 1]; power++)
		value /= 1000;
	snprintf(text, size, "%.*f%.*s", !is_level && value > 0 && value<9.95, value, power> 0,
	        &letters[power]);
	return text;
}

void
report_text(const struct reader_source *source, int name_width, const double figures[FIGURES])
{
	char text[32];

	printf("%-*s", name_width, source ? source->instance : REPORT_SUM);
	if (source && source->error) {
		printf(" does not answer: %s\n", strerror(-source->error));
		return;
	}
	for (size_t i = 0; i < FIGURES; i++)
		printf(" %*s", COLUMN_WIDTH - 1,
		        format_figure(figures[i], figure_kinds[i].is_level, text, sizeof(text)));
	putchar('\n');
}

static struct json_object *
new_figure(double value, bool is_level)
{
	char text[64];

	if (isnan(value))
		return NULL; /* json-c's null */
	snprintf(text, sizeof(text), "%.*f", is_level ? 0 : 3, value);
	return json_object_new_double_s(value, text);
}

void
report_json(const struct reader_source *source, uint64_t time_ns, const double figures[FIGURES])
{
	struct json_object *line = json_object_new_object();
	char time[TIMESTAMP_TEXT_SIZE];

	json_add_text(line, "type", source ? "daemon" : REPORT_SUM);
	json_add_text(line, "time", timestamp_format(time_ns, time));
	if (source) {
		json_add_text(line, "instance_name", source->instance);
		json_add_text(line, "socket", source->path);
		json_object_object_add(line, "error",
		        source->error ? json_object_new_string(strerror(-source->error)) : NULL);
	}
	for (size_t i = 0; i < FIGURES; i++)
		json_object_object_add(line, figure_kinds[i].name,
		        new_figure(figures[i], figure_kinds[i].is_level));
	json_print_line(line, stdout);
}
