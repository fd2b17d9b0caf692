#include "calls.h"
#include "clock.h"
#include "epoll.h"
#include "faults.h"
#include "files.h"
#include "oracle.h"
#include "scenario.h"
#include "stats_clients.h"
#include "trace.h"
#include "waiting.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

int __real_unlink(const char *path);
int __real_lstat(const char *path, struct stat *status);

/* Sockets that systemd hands over. */
static void
hand_over(const struct handed_over *sockets, int i, char *name)
{
	bool stats = sockets->families[i] == AF_UNIX;
	int fd = files_open(FILE_SOCKET);

	strcpy(name, stats ? "echod-stats.socket" : "");
	calls_settle(fd, sockets->families[i], sockets->types[i], true);
	files_any(fd, "LISTEN_FDS")->close_on_exec = true; /* sd_listen_fds(3) */
	if (stats)
		stats_clients_listen(fd);
	else if (sockets->types[i] == SOCK_STREAM && !sockets->bad)
		waiting_listen(files_any(fd, "LISTEN_FDS")->waiting, SOMAXCONN);
}

WRAP(int, sd_listen_fds_with_names, int unset, char ***names)
{
	const struct handed_over *sockets = &scenario_now()->handed_over;

	expect(clock_iteration() == 0, "sockets are taken from systemd again");
	expect(unset, "LISTEN_FDS stays for children");
	if (sockets->n == 0)
		return 0;
	*names = calloc((size_t)sockets->n, sizeof(**names));
	for (int i = 0; *names && i < sockets->n; i++) {
		(*names)[i] = malloc(32);
		if (!(*names)[i]) {
			while (i > 0)
				free((*names)[--i]);
			free(*names);
			*names = NULL;
		}
	}
	for (int i = 0; i < sockets->n; i++)
		hand_over(sockets, i, *names ? (*names)[i] : (char[32]){0});
	return *names ? sockets->n : -ENOMEM;
}

int
calls_accept_stats(int fd, int flags)
{
	int error = -fault(CALL_ACCEPT), client_fd = -1;

	expect(flags == (SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4 with flags %x", (unsigned)flags);

	if (error == 0)
		client_fd = files_open(FILE_STATS_CLIENT);
	if (client_fd > 0)
		error = stats_clients_accept();
	if (client_fd > 0 && error)
		files_close(client_fd);
	if (error == 0 && client_fd < 0)
		error = client_fd;
	if (error && error != -EAGAIN)
		stats_clients_on_failure();
	oracle_on_progress();
	trace("accept4", fd, 0, error ? error : client_fd);
	return (int)answer(error ? error : client_fd);
}

WRAP(int, connect, int fd, const struct sockaddr *address, socklen_t length)
{
	files_get(fd, FILE_STATS, "connect");
	return (int)answer(stats_clients_connect(address, length));
}

WRAP(int, lstat, const char *path, struct stat *status)
{
	int mode;

	if (!calls_simulated())
		return __real_lstat(path, status);
	mode = stats_clients_mode(path);
	*status = (struct stat){.st_mode = (mode_t)mode};
	return mode < 0 ? (int)answer(mode) : 0;
}

WRAP(int, unlink, const char *path)
{
	return calls_simulated() ? (int)answer(stats_clients_unlink(path)) : __real_unlink(path);
}
