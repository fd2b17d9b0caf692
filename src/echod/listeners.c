#include "echod/listeners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

enum {
	FREE_PORT_ATTEMPTS = 32,
};

bool
listeners_have(const struct listeners *listeners, int listen_fd)
{
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->all[i].listen_fd == listen_fd)
			return true;
	return false;
}

int
listeners_stats(const struct listeners *listeners)
{
	int listen_fd = -1;

	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->all[i].for_stats)
			listen_fd = listeners->all[i].listen_fd;
	return listen_fd;
}

bool
listeners_activated(const struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->all[i].handed_over && !listeners->all[i].for_stats)
			return true;
	return false;
}

/* Closes those behind the first ones, but for those that are among others, too. */
static void
close_behind(struct listeners *listeners, size_t first, const struct listeners *others)
{
	for (size_t i = first; i < listeners->count; i++)
		if (!others || !listeners_have(others, listeners->all[i].listen_fd))
			listener_close(&listeners->all[i]);
	if (listeners->count > first)
		listeners->count = first;
}

void
listeners_close(struct listeners *listeners, const struct listeners *others)
{
	close_behind(listeners, 0, others);
	free(listeners->all);
	*listeners = (struct listeners){0};
}

static struct listener *
add(struct listeners *listeners, const struct listener *listener)
{
	struct listener *more =
	        realloc(listeners->all, (listeners->count + 1) * sizeof(*listeners->all));

	if (!more)
		return NULL;
	listeners->all = more;
	more[listeners->count] = *listener;
	return &more[listeners->count++];
}

/* Adds and adopts a socket that is open already. */
static int
add_open(struct listeners *listeners, const struct listener *open, const struct options *options)
{
	struct listener *listener = add(listeners, open);

	return listener ? listener_adopt(listener, options) : -ENOMEM;
}

static int
take_handed_over(struct listeners *known, const struct options *options, char *problem, size_t size)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names), error = 0;

	if (count < 0) {
		snprintf(problem, size,
		        "LISTEN_PID, LISTEN_FDS or LISTEN_FDNAMES in the environment: %s",
		        strerror(-count));
		return count;
	}
	for (int i = 0; i < count && !error; i++) {
		const struct listener listener = {.listen_fd = SD_LISTEN_FDS_START + i,
		        .handed_over = true,
		        .for_stats = strcmp(names[i], LISTENERS_STATS_NAME) == 0};

		error = add_open(known, &listener, options);
		if (error)
			snprintf(problem, size,
			        "file descriptor %d handed over (LISTEN_FDS=%d): %s",
			        listener.listen_fd, count, listener_explain(error));
	}
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return error;
}

int
listeners_restore(struct listeners *known, const struct handover *handover,
        const struct options *options, char *problem, size_t size)
{
	struct handover_record record;
	size_t offset = 0;

	*known = (struct listeners){0};
	while (handover_next(handover, &offset, &record)) {
		const struct handover_listener *saved = &record.listener;
		const struct listener listener = {
		        .listen_fd = saved->listen_fd,
		        .handed_over = saved->flags & HANDOVER_HANDED_OVER,
		        .for_stats = saved->flags & HANDOVER_FOR_STATS,
		        .dual_stack = saved->flags & HANDOVER_DUAL_STACK,
		        .drops = saved->drops,
		        .wanted = {.in6 = saved->wanted},
		};
		int error =
		        record.kind == HANDOVER_LISTENER ? add_open(known, &listener, options) : 0;

		if (error) {
			snprintf(problem, size, "file descriptor %d: %s", listener.listen_fd,
			        listener_explain(error));
			return error;
		}
	}
	return 0;
}

void
listeners_save(const struct listeners *listeners, const struct listeners *others,
        struct handover_writer *writer)
{
	for (size_t i = 0; i < listeners->count; i++) {
		const struct listener *listener = &listeners->all[i];
		const struct handover_listener saved = {
		        .listen_fd = listener->listen_fd,
		        .flags = (listener->handed_over ? HANDOVER_HANDED_OVER : 0) |
		                 (listener->for_stats ? HANDOVER_FOR_STATS : 0) |
		                 (listener->dual_stack ? HANDOVER_DUAL_STACK : 0),
		        .drops = listener->drops,
		        .wanted = listener->wanted.in6,
		};

		if (!others || !listeners_have(others, listener->listen_fd))
			handover_write(writer, HANDOVER_LISTENER, &saved, NULL, 0);
	}
}

/* What listeners_choose() goes by. */
struct choice {
	struct listeners *listeners;
	const struct listeners *known;
	const struct options *options;
	size_t kept;        /* listeners that were handed over */
	uint16_t free_port; /* the same for all sockets; 0: none yet */
	char *problem;
	size_t size;
};

static bool
is_same_address(const struct address *a, const struct address *b)
{
	return a->any.sa_family == b->any.sa_family &&
	       memcmp(&a->any, &b->any,
	               a->any.sa_family == AF_INET ? sizeof(a->in4) : sizeof(a->in6)) == 0;
}

/* One of our own that is open already, for the same, and not chosen yet. */
static const struct listener *
find_known(const struct choice *choice, const struct listener *wanted)
{
	for (size_t i = 0; i < choice->known->count; i++) {
		const struct listener *known = &choice->known->all[i];

		if (!known->handed_over && !known->for_stats && known->type == wanted->type &&
		        known->dual_stack == wanted->dual_stack &&
		        is_same_address(&known->wanted, &wanted->wanted) &&
		        !listeners_have(choice->listeners, known->listen_fd))
			return known;
	}
	return NULL;
}

/* Chooses or opens one. Returns 0 or a negative errno. */
static int
choose_one(struct choice *choice, const struct listener *wanted)
{
	const struct listener *known = find_known(choice, wanted);
	struct listener *listener = add(choice->listeners, known ? known : wanted);
	bool any_port = address_port(&wanted->wanted) == 0;
	int error = 0;

	if (!listener)
		return -ENOMEM;
	if (!known) {
		address_set_port(&listener->wanted,
		        any_port ? choice->free_port : address_port(&wanted->wanted));
		error = listener_open(listener, choice->options);
		listener->wanted = wanted->wanted;
	}
	if (error)
		choice->listeners->count--;
	else if (any_port)
		choice->free_port = address_port(&listener->address);
	return error;
}

/* TCP and UDP on one address. */
static int
choose_address(struct choice *choice, const struct address *address, bool dual_stack)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	const bool wanted[] = {choice->options->tcp, choice->options->udp};
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < 2; i++) {
		const struct listener listener = {.listen_fd = -1,
		        .type = types[i],
		        .dual_stack = dual_stack,
		        .wanted = *address};
		struct address tried = *address;
		int error = wanted[i] ? choose_one(choice, &listener) : 0;

		if (!error)
			continue;
		if (address_port(address) == 0)
			address_set_port(&tried, choice->free_port);
		snprintf(choice->problem, choice->size, "listen on %s over %s: %s",
		        address_format(&tried, text, sizeof(text)),
		        types[i] == SOCK_STREAM ? "TCP" : "UDP", listener_explain(error));
		return error;
	}
	return 0;
}

/* A host without IPv6 at the start keeps its sockets, which a dual-stack one would overlap. */
static int
choose_everywhere(struct choice *choice)
{
	struct address any = {.length = sizeof(any.in6), .in6 = {.sin6_family = AF_INET6}};
	struct listener ipv4 = {.type = choice->options->tcp ? SOCK_STREAM : SOCK_DGRAM,
	        .wanted = {.length = sizeof(any.in4), .in4 = {.sin_family = AF_INET}}};

	address_set_port(&any, (uint16_t)choice->options->port);
	address_set_port(&ipv4.wanted, (uint16_t)choice->options->port);
	if (!find_known(choice, &ipv4)) {
		int error = choose_address(choice, &any, true);

		if (error != -EAFNOSUPPORT && error != -EADDRNOTAVAIL)
			return error;
		close_behind(choice->listeners, choice->kept, choice->known);
	}
	return choose_address(choice, &ipv4.wanted, false);
}

static int
choose_all(struct choice *choice)
{
	const struct listen_list *listen = &choice->options->listen;
	int error = 0;

	if (listen->count == 0)
		return choose_everywhere(choice);
	for (size_t i = 0; i < listen->count && !error; i++)
		error = choose_address(choice, &listen->addresses[i].address, false);
	return error;
}

/* Keeps all that were handed over. Returns how many echo, or -ENOMEM. */
static int
keep_handed_over(struct choice *choice)
{
	int n_echo = 0;

	for (size_t i = 0; i < choice->known->count; i++) {
		const struct listener *known = &choice->known->all[i];

		if (!known->handed_over)
			continue;
		if (!add(choice->listeners, known))
			return -ENOMEM;
		n_echo += !known->for_stats;
	}
	choice->kept = choice->listeners->count;
	return n_echo;
}

static int
choose_stats(struct choice *choice)
{
	const char *path = choice->options->stats_socket;
	struct listener *listener = add(choice->listeners, &(struct listener){.listen_fd = -1});
	int error = 0;

	for (size_t i = 0; listener && i < choice->known->count; i++) {
		const struct listener *known = &choice->known->all[i];

		if (known->for_stats && strcmp(known->address.local.sun_path, path) == 0)
			*listener = *known;
	}
	if (!listener)
		error = -ENOMEM;
	else if (listener->listen_fd < 0)
		error = listener_open_stats(listener, path);
	if (error)
		snprintf(choice->problem, choice->size, "stats socket %s: %s", path,
		        strerror(-error));
	return error;
}

/* What the options contradict, or NULL. */
static const char *
contradiction(const struct choice *choice, bool activated, char *text, size_t size)
{
	const struct option_setting *given = options_listening(choice->options);

	if (activated && given) {
		char name[128];

		snprintf(text, size, "%s: contradicts the sockets handed over (LISTEN_FDS=%zu)",
		        option_setting_name(given, name, sizeof(name)), choice->kept);
		return text;
	}
	for (size_t i = 0; choice->options->stats_socket && i < choice->kept; i++)
		if (choice->listeners->all[i].for_stats)
			return "--stats-socket: contradicts the one handed over (" LISTENERS_STATS_NAME
			       ")";
	if (!activated && choice->options->activated)
		return "--activated: no sockets were handed over; start a socket unit "
		       "(echod.socket)";
	return NULL;
}

int
listeners_choose(struct listeners *listeners, const struct listeners *known,
        const struct options *options, char *problem, size_t size)
{
	struct choice choice = {listeners, known, options, .problem = problem, .size = size};
	int attempts = FREE_PORT_ATTEMPTS, error, n_handed_over;
	const char *wrong;
	char text[256];

	*listeners = (struct listeners){0};
	n_handed_over = keep_handed_over(&choice);
	if (n_handed_over < 0) {
		snprintf(problem, size, "%s", strerror(ENOMEM));
		return n_handed_over;
	}
	wrong = contradiction(&choice, n_handed_over > 0, text, sizeof(text));
	if (wrong) {
		snprintf(problem, size, "%s", wrong);
		return -EUSERS;
	}
	/* A port that TCP finds free may be in use over UDP: then another one is tried. */
	do {
		choice.free_port = 0;
		close_behind(listeners, choice.kept, known);
		error = n_handed_over > 0 ? 0 : choose_all(&choice);
	} while (error == -EADDRINUSE && choice.free_port != 0 && --attempts > 0);
	if (!error && options->stats_socket)
		error = choose_stats(&choice);
	return error;
}

int
listeners_open(
        struct listeners *listeners, const struct options *options, char *problem, size_t size)
{
	struct listeners known = {0};
	int error = take_handed_over(&known, options, problem, size);

	if (error) {
		*listeners = known;
		return error;
	}
	error = listeners_choose(listeners, &known, options, problem, size);
	listeners_close(&known, listeners);
	return error;
}
