#include "calls.h"
#include "datagrams.h"
#include "epoll.h"
#include "faults.h"
#include "files.h"
#include "oracle.h"
#include "stats_clients.h"
#include "stream.h"
#include "trace.h"
#include "waiting.h"

int __real_close(int fd);

static void
close_file(struct file *file)
{
	switch (file->kind) {
	case FILE_STREAM:
		oracle_on_close(file->stream);
		stream_close(file->stream, false);
		break;
	case FILE_LISTENER:
		oracle_on_listener_close(file->waiting);
		waiting_close(file->waiting);
		break;
	case FILE_UDP:
		datagrams_close(file->udp);
		break;
	case FILE_EPOLL:
		epoll_forget();
		break;
	case FILE_STATS:
		stats_clients_close();
		break;
	case FILE_STATS_CLIENT:
		stats_clients_on_close();
		break;
	case FILE_NONE:
	case FILE_STANDARD:
	case FILE_SOCKET:
	case FILE_SIGNALS:
	case FILE_NOTIFY:
	case FILE_STATE:
		break;
	}
}

void
calls_close_on_exec(void)
{
	for (int fd = 0; fd < files_end(); fd++) {
		struct file *file = files_at(fd);

		if (file->kind != FILE_EPOLL && file->kind != FILE_SIGNALS &&
		        file->kind != FILE_NOTIFY && !(file->kind && file->close_on_exec))
			continue;
		close_file(file);
		files_close(fd);
	}
}

/* Whatever it returns, the descriptor is closed (close(2), Linux). */
WRAP(int, close, int fd)
{
	struct file *file;
	int error;

	if (!calls_simulated())
		return __real_close(fd);
	file = files_any(fd, "close");
	error = fault(CALL_CLOSE);
	expect(file->kind != FILE_STANDARD, "close of descriptor %d", fd);
	close_file(file);
	files_close(fd);
	trace("close", fd, 0, -error);
	return (int)answer(-error);
}
