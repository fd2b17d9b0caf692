#include "echod/client/options.h"
#include "echod/client/report.h"
#include "echod/client/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
	struct client_options options;
	struct session *session;
	char problem[256];
	int result;

	switch (client_options_read(&options, argc, argv, problem, sizeof(problem))) {
	case OPTIONS_SHOWN:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		fprintf(stderr, "echod-client: %s (see echod-client --help)\n", problem);
		return SESSION_ERROR;
	case OPTIONS_FAILED:
		fprintf(stderr, "echod-client: %s\n", problem);
		return SESSION_ERROR;
	case OPTIONS_READ:
		break;
	}
	session = malloc(sizeof(*session));
	if (!session) {
		perror("echod-client");
		return SESSION_ERROR;
	}
	setvbuf(stdout, NULL, _IOLBF, 0); /* a line at a time, for who watches through a pipe */
	result = (int)session_run(session, &options, options.json ? &json_report : &text_report);
	free(session);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("echod-client: standard output: cannot be written\n", stderr);
		return SESSION_ERROR;
	}
	return result;
}
