#include "echod/reload.h"

#include "echod/common/clock.h"
#include "echod/connection_state.h"
#include "echod/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_VARIABLE "ECHOD_STATE_FD"

enum {
	FREE_FILES = 8, /* that the new program needs: libraries, the log, the loop, … */
};

static struct {
	int argc;
	char **argv;
	char path[PATH_MAX]; /* "": not known */
} program;

/* Another program may have loaded this one: the loader, called by name, or valgrind. */
static bool
is_this_program(const char *path)
{
	struct stat executed, named;

	return getauxval(AT_BASE) != 0 &&
	       (stat("/proc/self/exe", &executed) < 0 || stat(path, &named) < 0 ||
	               (executed.st_dev == named.st_dev && executed.st_ino == named.st_ino));
}

/* The working directory may change, and a package may put another file there. */
static void
remember_path(const char *path)
{
	char directory[PATH_MAX] = "";
	int length;

	program.path[0] = '\0';
	if (!is_this_program(path) || (*path != '/' && !getcwd(directory, sizeof(directory))))
		return;
	length = snprintf(program.path, sizeof(program.path), "%s%s%s", directory,
	        *directory ? "/" : "", path);
	if (length >= (int)sizeof(program.path))
		program.path[0] = '\0';
}

int
reload_begin(int argc, char **argv, struct handover *handover, char *problem, size_t size)
{
	const char *state = getenv(STATE_VARIABLE);
	int state_fd = state ? (int)strtol(state, NULL, 10) : -1, error;

	*handover = (struct handover){0};
	program.argc = argc;
	program.argv = argv;
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): getauxval(3) has no other type */
	remember_path((const char *)getauxval(AT_EXECFN));
	if (!state)
		return 0;
	unsetenv(STATE_VARIABLE);
	error = handover_open(handover, state_fd, problem, size);
	close(state_fd);
	return error;
}

/* The command line that says what was in force before, to be freed; NULL without memory. */
static char **
arguments_before(const struct handover *handover, int *argc)
{
	struct handover_record record;
	size_t offset = 0, count = 2, bytes = 0; /* the program's name, and NULL */
	char **argv, *text;

	while (handover_next(handover, &offset, &record)) {
		count += record.kind == HANDOVER_ARGUMENT;
		bytes += record.kind == HANDOVER_ARGUMENT ? record.tail_size + 1 : 0;
	}
	argv = calloc(1, count * sizeof(*argv) + bytes);
	if (!argv)
		return NULL;
	text = (char *)(argv + count);
	*argc = 0;
	argv[(*argc)++] = program.argv[0];
	for (offset = 0; handover_next(handover, &offset, &record);) {
		if (record.kind != HANDOVER_ARGUMENT)
			continue;
		argv[(*argc)++] = memcpy(text, record.tail, record.tail_size);
		text += record.tail_size + 1;
	}
	return argv;
}

int
reload_as_before(
        struct handover *handover, int (*run)(int argc, char **argv, struct handover *handover))
{
	int argc, code = EXIT_FAILURE;
	char **argv = arguments_before(handover, &argc);

	if (!argv)
		return code;
	log_line(LOG_ERR, "echod: reload: goes on with the options that were in force before");
	handover->refused = true;
	code = run(argc, argv, handover);
	free(argv);
	return code;
}

static void
save_options(const struct options *options, struct handover_writer *writer)
{
	for (size_t i = 0; i < options->settings.count; i++) {
		const struct option_setting *setting = &options->settings.all[i];
		const char *parts[] = {
		        "--", setting->spec->name, "=", setting->value ? setting->value : "on"};
		struct handover_span spans[4];

		for (size_t part = 0; part < 4; part++)
			spans[part] = (struct handover_span){parts[part], strlen(parts[part])};
		if (!setting->spec->command_line_only)
			handover_write(writer, HANDOVER_ARGUMENT, NULL, spans, 4);
	}
}

/* Returns 0 or a negative errno. */
static int
save(const struct reload *reload, const struct listeners *listeners, uint64_t begun_ns,
        int state_fd)
{
	static struct handover_writer writer;
	const struct handover_daemon daemon = {
	        .begun_ns = begun_ns,
	        .keepalive_ms = reload->options->keepalive,
	        .accept_full_at_ns = acceptor_bucket(reload->acceptor)->full_at_ns,
	        .ticks = connections_now(reload->connections),
	        .other_files = reload->other_files,
	};
	char text[STATS_TEXT_SIZE];
	struct handover_span counters = {.bytes = text};

	handover_begin(&writer, state_fd);
	handover_write(&writer, HANDOVER_DAEMON, &daemon, NULL, 0);
	save_options(reload->options, &writer);
	counters.size = strlen(stats_format(reload->stats, text, sizeof(text)));
	handover_write(&writer, HANDOVER_COUNTERS, NULL, &counters, 1);
	/* those in force until now, too: the new program may refuse the options */
	listeners_save(listeners, NULL, &writer);
	listeners_save(reload->listeners, listeners, &writer);
	connections_save(reload->connections, &writer);
	if (reload->options->udp_rate > 0)
		source_tokens_save(udp_tokens(reload->udp), &writer, begun_ns);
	return handover_end(&writer);
}

/* Returns 0 or a negative errno. */
static int
check_free_files(int state_fd)
{
	int fds[FREE_FILES], count = 0, error = 0;

	while (count < FREE_FILES && (fds[count] = fcntl(state_fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		count++;
	if (count < FREE_FILES)
		error = -errno;
	while (count > 0)
		close(fds[--count]);
	return error;
}

static void
save_and_execute(const struct reload *reload, const struct listeners *listeners, uint64_t begun_ns,
        char *problem, size_t size)
{
	int state_fd = handover_create(), error = state_fd;
	char text[16];

	if (state_fd >= 0)
		error = save(reload, listeners, begun_ns, state_fd);
	if (!error)
		error = check_free_files(state_fd);
	snprintf(text, sizeof(text), "%d", state_fd);
	if (!error && setenv(STATE_VARIABLE, text, 1) < 0)
		error = -errno;
	if (error) {
		snprintf(problem, size, "the state: %s", strerror(-error));
	} else {
		execve(program.path, program.argv, environ);
		snprintf(problem, size, "%s: %s", program.path, strerror(errno));
		unsetenv(STATE_VARIABLE);
	}
	if (state_fd >= 0)
		close(state_fd);
}

void
reload_execute(const struct reload *reload, char *problem, size_t size)
{
	uint64_t begun_ns = clock_now_ns();
	struct listeners listeners = {0};
	struct options options;

	if (!program.path[0]) {
		snprintf(problem, size, "echod was not started by its own name");
		return;
	}
	if (options_read(&options, program.argc, program.argv, problem, size) == OPTIONS_READ &&
	        listeners_choose(&listeners, reload->listeners, &options, problem, size) == 0)
		save_and_execute(reload, &listeners, begun_ns, problem, size);
	listeners_close(&listeners, reload->listeners);
	options_free(&options);
}

static void
restore_connection(struct reload *reload, const struct handover_record *record, uint64_t keepalive)
{
	connection_restore(reload->connections, record);
	if (keepalive != reload->options->keepalive)
		listener_set_keepalive(record->connection.peer_fd, reload->options->keepalive);
}

static void
reload_on_first_iteration(struct ev_loop *loop, struct ev_check *watcher, int events)
{
	struct handover *handover = watcher->data;
	struct handover_record record;
	size_t offset = 0;

	(void)events;
	ev_check_stop(loop, watcher);
	handover_next(handover, &offset, &record); /* HANDOVER_DAEMON */
	log_line(LOG_NOTICE, "RELOAD: version=%s connections=%u rings=%u pause_ms=%llu",
	        ECHOD_VERSION, handover->connections, handover->rings,
	        (unsigned long long)((clock_now_ns() - record.daemon.begun_ns) / NS_PER_MS));
	handover_free(handover);
}

/* Closing a listener resets the connections that wait on it. */
static void
empty_old_listeners(const struct reload *reload, const struct listeners *known)
{
	for (size_t i = 0; i < known->count; i++) {
		const struct listener *old = &known->all[i];

		if (old->type == SOCK_STREAM && !old->for_stats &&
		        !listeners_have(reload->listeners, old->listen_fd))
			acceptor_empty(reload->acceptor, old);
	}
}

void
reload_restore(struct reload *reload, struct ev_loop *loop, const struct listeners *known,
        struct handover *handover)
{
	struct handover_daemon daemon = {0};
	struct handover_record record;
	size_t offset = 0;

	while (handover_next(handover, &offset, &record)) {
		switch (record.kind) {
		case HANDOVER_DAEMON:
			daemon = record.daemon;
			connections_advance(reload->connections, daemon.ticks);
			acceptor_bucket(reload->acceptor)->full_at_ns = daemon.accept_full_at_ns;
			reload->other_files = daemon.other_files;
			break;
		case HANDOVER_COUNTERS:
			stats_parse(reload->stats, (const char *)record.tail, record.tail_size);
			break;
		case HANDOVER_CONNECTION:
			restore_connection(reload, &record, daemon.keepalive_ms);
			break;
		case HANDOVER_TOKENS:
			source_tokens_restore(udp_tokens(reload->udp), &record, daemon.begun_ns);
			break;
		case HANDOVER_END:
		case HANDOVER_ARGUMENT:
		case HANDOVER_LISTENER:
		case HANDOVER_KINDS:
		default:
			break;
		}
	}
	empty_old_listeners(reload, known);
	reload->log_lost = reload->stats->log_lost;
	reload->stats->tcp_open = connections_open_now(reload->connections);
	reload->stats->reloads += !handover->refused;
	reload->stats->last_reload_successful = !handover->refused;
	ev_check_init(&reload->first_iteration, reload_on_first_iteration);
	reload->first_iteration.data = handover;
	ev_check_start(loop, &reload->first_iteration);
}
