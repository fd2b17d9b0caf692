#include "echod/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void
signals_on_readable(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	const struct signals *signals = watcher->data;
	struct signalfd_siginfo waiting[SIGNALS_MAX]; /* each number is pending once at most */
	ssize_t length;

	(void)loop;
	if (events & EV_ERROR) { /* ev(3): the watcher is stopped */
		signals->config.on_lost(
		        signals->config.owner, "epoll does not take their descriptor");
		return;
	}
	length = read(watcher->fd, waiting, sizeof(waiting));
	if (length < 0 && errno != EAGAIN && errno != EINTR)
		signals->config.on_lost(signals->config.owner, strerror(errno));
	for (ssize_t i = 0; i < length / (ssize_t)sizeof(waiting[0]); i++)
		signals->config.on_signal(signals->config.owner, (int)waiting[i].ssi_signo);
}

int
signals_open(struct signals *signals, const struct signals_config *config)
{
	sigset_t heard;
	int signal_fd;

	*signals = (struct signals){.config = *config};
	sigemptyset(&heard);
	for (const int *number = config->numbers; *number; number++)
		sigaddset(&heard, *number);
	if (sigprocmask(SIG_BLOCK, &heard, NULL) < 0)
		return -errno;
	signal_fd = signalfd(-1, &heard, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signal_fd < 0)
		return -errno;
	ev_io_init(&signals->watcher, signals_on_readable, signal_fd, EV_READ);
	ev_set_priority(
	        &signals->watcher, EV_MAXPRI); /* before all other events of the iteration */
	signals->watcher.data = signals;
	ev_io_start(config->loop, &signals->watcher);
	return 0;
}

void
signals_close(struct signals *signals)
{
	if (!signals->watcher.data)
		return;
	ev_io_stop(signals->config.loop, &signals->watcher);
	close(signals->watcher.fd);
	*signals = (struct signals){0};
}
