/*
 * Prints echod.conf as it is shipped: every option of the table that a file may hold, explained,
 * and commented out with its default.
 */
#include "echod/options.h"

#include <stdio.h>

static void
print_option(const struct option_spec *spec)
{
	const char *value = spec->preset;
	char values[256];

	if (!value)
		value = spec->kind == OPTION_SWITCH ? "off" : spec->argument;
	printf("\n# %s\n", spec->help);
	if (spec->kind != OPTION_SWITCH)
		printf("# %s: %s\n", spec->argument,
		        option_spec_values(spec, values, sizeof(values)));
	printf("#%s = %s\n", spec->name, value);
}

int
main(void)
{
	printf("# The configuration of echod, see echod.conf(5) and echod(8). After a change:\n"
	       "#\n"
	       "#\techod --check --config=/etc/echod/echod.conf && systemctl restart echod\n"
	       "#\n"
	       "# Each option is shown with its default, or with what its value is called. Where the\n"
	       "# service listens is said in echod.socket and echod-udp.socket: there, listen, port,\n"
	       "# tcp and udp are refused.\n");
	for (size_t i = 0; i < options_table.n_specs; i++)
		if (!options_table.specs[i].command_line_only)
			print_option(&options_table.specs[i]);
	return fflush(stdout) != 0 || ferror(stdout);
}
