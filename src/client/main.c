#include "echod/client/mtu.h"
#include "echod/client/options.h"
#include "echod/client/report.h"
#include "echod/client/session.h"

#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
	static struct session session; /* large */
	struct client_options options;
	enum option_outcome outcome;
	char problem[256];
	int result;

	outcome = client_options_read(&options, argc, argv, problem, sizeof(problem));
	if (outcome != OPTIONS_READ)
		return tool_options_explain("echod-client", outcome, problem);
	setvbuf(stdout, NULL, _IOLBF, 0); /* by lines, for readers of a pipe */
	result = options.mtu ? (int)mtu_run(&options)
	                     : (int)session_run(&session, &options,
	                               options.json ? &json_report : &text_report);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("echod-client: standard output: cannot be written\n", stderr);
		return SESSION_ERROR;
	}
	return result;
}
