#include "echod/common/clock.h"
#include "echod/limits.h"
#include "echod/listeners.h"
#include "echod/log.h"
#include "echod/options.h"
#include "echod/reload.h"
#include "echod/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum exit_code {
	EXIT_CLEAN = 0,
	EXIT_RUNTIME = 1,
	EXIT_USAGE = 2,
	EXIT_PRIVILEGE = 4, /* as systemd and LSB number it */
};

/*
 * Without these, a connection would become 0, 1 or 2 and the log would go to a peer. Where there is
 * no /dev/null, a socket without a peer refuses what is written to it.
 */
static void
open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			fd = socket(AF_UNIX, SOCK_STREAM, 0);
	} while ((unsigned)fd <= STDERR_FILENO); /* -1 ends it, too */
	close(fd);
}

static void
announce(const struct listeners *listeners)
{
	char text[LOG_VALUE_SIZE];

	for (size_t i = 0; i < listeners->count; i++) {
		const struct listener *listener = &listeners->all[i];

		if (listener->for_stats)
			continue;
		log_line(LOG_INFO, "LISTEN: proto=%s address=%s",
		        address_protocol(&listener->address, listener->type),
		        log_address(&listener->address, text));
	}
}

static enum exit_code
serve(const struct options *options, struct listeners *listeners, struct listeners *known,
        struct handover *handover)
{
	uint32_t limit = limits_connections(options->max_connections, listeners->count);
	struct server *server;
	bool well;

	if (limit == 0) {
		log_line(LOG_ERR,
		        "echod: the limit of open files leaves no room for connections: %s",
		        strerror(errno));
		return EXIT_RUNTIME;
	}
	if (limit < options->max_connections)
		log_line(LOG_WARNING,
		        "LIMIT: option=max-connections wanted_connections=%llu connections=%u "
		        "reason=open-files",
		        (unsigned long long)options->max_connections, limit);
	server = server_new(options, listeners, limit, known, handover);
	if (!server)
		return EXIT_RUNTIME;
	listeners_close(known, listeners);
	announce(listeners);
	well = server_run(server);
	server_free(server);
	return well ? EXIT_CLEAN : EXIT_RUNTIME;
}

static enum exit_code
listen_and_serve(const struct options *options, struct handover *handover)
{
	struct listeners listeners = {0}, known = {0};
	char problem[256];
	enum exit_code code;
	int error = 0;

	limits_raise();
	if (!handover->bytes)
		error = listeners_open(&listeners, options, problem, sizeof(problem));
	else if (!(error = listeners_restore(&known, handover, options, problem, sizeof(problem))))
		error = listeners_choose(&listeners, &known, options, problem, sizeof(problem));
	if (error) {
		log_line(LOG_ERR, "echod: %s", problem);
		code = error == -EUSERS                      ? EXIT_USAGE
		       : error == -EACCES || error == -EPERM ? EXIT_PRIVILEGE
		                                             : EXIT_RUNTIME;
	} else {
		code = serve(options, &listeners, &known, handover);
	}
	/* what the program before has left open may be tried again with other options */
	listeners_close(&listeners, &known);
	listeners_close(&known, &known);
	return code;
}

/* Below ExecReload=, the service manager waits until the daemon is ready again: sd_notify(3). */
static enum exit_code
signal_reload(pid_t pid)
{
	sd_notifyf(
	        0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_now_ns() / 1000);
	if (kill(pid, SIGHUP) == 0)
		return EXIT_CLEAN;
	log_line(LOG_ERR, "echod: process %d: %s", (int)pid, strerror(errno));
	return EXIT_RUNTIME;
}

static int
run(int argc, char **argv, struct handover *handover)
{
	struct options options;
	char problem[512];
	enum option_outcome outcome = options_read(&options, argc, argv, problem, sizeof(problem));
	enum exit_code code = EXIT_CLEAN;

	if (outcome == OPTIONS_READ && options.signal_reload) {
		code = signal_reload((pid_t)options.signal_reload);
	} else if (outcome == OPTIONS_READ) {
		log_set_threshold(options.quiet     ? LOG_NOTICE
		                  : options.verbose ? LOG_DEBUG
		                                    : LOG_INFO);
		code = listen_and_serve(&options, handover);
	} else if (outcome != OPTIONS_SHOWN) {
		log_line(LOG_ERR, "echod: %s", problem);
		code = outcome == OPTIONS_WRONG ? EXIT_USAGE : EXIT_RUNTIME;
	}
	options_free(&options);
	return (int)code;
}

int
main(int argc, char **argv)
{
	struct handover handover;
	char problem[256];
	int code = EXIT_RUNTIME;

	open_standard_files();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a log that reached RLIMIT_FSIZE: write(2) says so, too */
	log_open();
	if (reload_begin(argc, argv, &handover, problem, sizeof(problem)) == 0) {
		code = run(argc, argv, &handover);
		if (handover.bytes) /* not gone on with */
			code = reload_as_before(&handover, run);
	} else {
		log_line(LOG_ERR, "echod: the state of the program before: %s", problem);
	}
	handover_free(&handover);
	log_close();
	return code;
}
