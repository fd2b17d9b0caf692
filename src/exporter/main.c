#include "echod/common/address.h"
#include "echod/common/option_table.h"
#include "echod/exporter/http.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum {
	MOST_LISTENERS = 16,
	PORT = 9862,
	BACKLOG = 128,
	EXIT_USAGE = 2,
};

struct exporter {
	struct http_exporter http;
	struct MHD_Daemon *listeners[MOST_LISTENERS];
	size_t n_listeners;
	const char *listen[MOST_LISTENERS]; /* ADDRESS as given, checked */
	size_t n_listen;
};

/* Returns 0 or a negative errno. */
static int
parse_listen(const char *text, struct address *address)
{
	bool has_port;
	int error = address_parse(text, address, &has_port);

	if (!error && !has_port)
		address_set_port(address, PORT);
	return error;
}

static int
add_listen(void *into, const char *text)
{
	struct exporter *exporter = into;
	struct address checked;

	if (exporter->n_listen == MOST_LISTENERS || parse_listen(text, &checked) < 0)
		return -EINVAL;
	exporter->listen[exporter->n_listen++] = text;
	return 0;
}

static const struct option_spec specs[] = {
        {.name = "listen",
                .kind = OPTION_CALL,
                .argument = "ADDRESS",
                .call = add_listen,
                .expects = "an address such as 127.0.0.1, 127.0.0.1:9862 or [::1]:9862",
                .help = "listen here; may be repeated [127.0.0.1:9862 and [::1]:9862]"},
};

static const struct option_table table = {
        .program = "echod-exporter",
        .synopsis = "[OPTION]... [SOCKET]...",
        .summary = "Shows the counters of echo daemons to Prometheus and to browsers. Without "
                   "SOCKET, reads\nthe stats sockets found in /run/echod.",
        .specs = specs,
        .n_specs = sizeof(specs) / sizeof(specs[0]),
};

/* Returns false after a line on stderr. */
static bool
add_listener(struct exporter *exporter, int listen_fd)
{
	struct MHD_Daemon *http = NULL;

	if (exporter->n_listeners < MOST_LISTENERS)
		http = http_new(&exporter->http, listen_fd);
	if (http)
		exporter->listeners[exporter->n_listeners++] = http;
	else
		fprintf(stderr, "echod-exporter: cannot serve descriptor %d\n", listen_fd);
	return http;
}

/* Returns 0 or a negative errno. */
static int
open_listener(const struct address *address)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int one = 1;
	int error;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (address->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, &address->any, address->length) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static bool
listen_on(struct exporter *exporter, const char *text, bool may_lack_family)
{
	struct address address;
	int fd;

	parse_listen(text, &address);
	fd = open_listener(&address);
	if (fd >= 0)
		return add_listener(exporter, fd);
	if (may_lack_family && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL))
		return true;
	fprintf(stderr, "echod-exporter: listen on %s: %s\n", text, strerror(-fd));
	return false;
}

static bool
open_listeners(struct exporter *exporter)
{
	int handed_over = sd_listen_fds(1);
	bool well = handed_over >= 0;

	for (int i = 0; i < handed_over && well; i++)
		well = add_listener(exporter, SD_LISTEN_FDS_START + i);
	for (size_t i = 0; i < exporter->n_listen && well; i++)
		well = listen_on(exporter, exporter->listen[i], false);
	if (handed_over == 0 && exporter->n_listen == 0)
		well = listen_on(exporter, "127.0.0.1", false) && listen_on(exporter, "::1", true);
	return well;
}

/* Serves until SIGTERM or SIGINT. */
static void
serve(struct exporter *exporter, int signal_fd)
{
	struct pollfd polled[1 + MOST_LISTENERS] = {{.fd = signal_fd, .events = POLLIN}};

	for (size_t i = 0; i < exporter->n_listeners; i++)
		polled[1 + i] =
		        (struct pollfd){.fd = http_fd(exporter->listeners[i]), .events = POLLIN};
	while (!polled[0].revents) {
		int timeout_ms = -1;

		for (size_t i = 0; i < exporter->n_listeners; i++) {
			int wanted_ms = http_timeout_ms(exporter->listeners[i]);

			if (wanted_ms >= 0 && (timeout_ms < 0 || wanted_ms < timeout_ms))
				timeout_ms = wanted_ms;
		}
		poll(polled, 1 + exporter->n_listeners, timeout_ms);
		for (size_t i = 0; i < exporter->n_listeners; i++)
			http_run(exporter->listeners[i]);
	}
}

static int
open_signals(void)
{
	sigset_t ending;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	return signalfd(-1, &ending, SFD_CLOEXEC);
}

static int
run(struct exporter *exporter)
{
	int signal_fd = open_signals(), status = EXIT_FAILURE;

	if (signal_fd < 0)
		perror("echod-exporter: signals");
	else if (open_listeners(exporter)) {
		sd_notify(0, "READY=1");
		serve(exporter, signal_fd);
		status = EXIT_SUCCESS;
	}
	for (size_t i = 0; i < exporter->n_listeners; i++)
		http_free(exporter->listeners[i]);
	reader_free(&exporter->http.reader);
	return status;
}

int
main(int argc, char **argv)
{
	static struct exporter exporter;
	char problem[512];
	int operands;
	enum option_outcome outcome = option_table_read(
	        &table, argc, argv, &exporter, NULL, &operands, problem, sizeof(problem));

	if (outcome == OPTIONS_SHOWN)
		return EXIT_SUCCESS;
	exporter.http.finds = operands == argc;
	for (; outcome == OPTIONS_READ && operands < argc; operands++)
		if (reader_add(&exporter.http.reader, argv[operands]) < 0) {
			snprintf(problem, sizeof(problem), "%s", strerror(ENOMEM));
			outcome = OPTIONS_FAILED;
		}
	if (outcome != OPTIONS_READ) {
		fprintf(stderr, "echod-exporter: %s\n", problem);
		return outcome == OPTIONS_WRONG ? EXIT_USAGE : EXIT_FAILURE;
	}
	return run(&exporter);
}
