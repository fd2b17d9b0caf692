#include "calls.h"
#include "datagrams.h"
#include "faults.h"
#include "files.h"
#include "notify.h"
#include "oracle.h"
#include "random.h"
#include "scenario.h"
#include "stats_clients.h"
#include "stream.h"
#include "trace.h"
#include "waiting.h"

#include "echod/common/address.h"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

enum {
	OUR_PORT = 50007,
	STATE_CLOSED = 7, /* netinet/tcp.h, which has another struct tcp_info */
	STATE_CLOSE_WAIT = 8,
};

int __real_fcntl(int fd, int command, ...);

static const struct scenario *
disturbed(void)
{
	scenario_interlude();
	return scenario_now();
}

void
calls_settle(int fd, int family, int type, bool handed_over)
{
	struct file *file = files_any(fd, "socket");

	if (family == AF_UNIX) {
		file->kind = type == SOCK_DGRAM ? FILE_NOTIFY : FILE_STATS;
	} else if (type == SOCK_DGRAM) {
		file->kind = FILE_UDP;
		file->udp = datagrams_new(fd, family);
	} else {
		file->kind = FILE_LISTENER;
		file->waiting = waiting_new(fd, handed_over, family);
	}
}

WRAP(int, socket, int family, int type, int protocol)
{
	int fd = -fault(CALL_SOCKET);

	/* Each message to the service manager says that it may not wait; listeners
	 * stay open over a reload. */
	expect(protocol == 0 &&
	                ((type & SOCK_NONBLOCK && !(type & SOCK_CLOEXEC)) ||
	                        (family == AF_UNIX && type & SOCK_CLOEXEC && type & SOCK_DGRAM)),
	        "socket of type %x, protocol %d", (unsigned)type, protocol);
	if (fd == 0 && family == AF_INET6 && disturbed()->ipv4_only)
		fd = -EAFNOSUPPORT;
	if (fd == 0)
		fd = files_open(FILE_SOCKET);
	if (fd > 0)
		calls_settle(fd, family, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), false);
	trace("socket", family, type, fd);
	return (int)answer(fd);
}

WRAP(int, bind, int fd, const struct sockaddr *address, socklen_t length)
{
	int error = -fault(CALL_BIND);

	if (files_any(fd, "bind")->kind == FILE_STATS && !error)
		error = stats_clients_bind(address, length);
	trace("bind", fd, address->sa_family, (int64_t)length + error);
	return (int)answer(error);
}

WRAP(int, listen, int fd, int backlog)
{
	int error = -fault(CALL_LISTEN);

	if (error == 0 && files_any(fd, "listen")->kind == FILE_STATS)
		stats_clients_listen(fd);
	else if (error == 0)
		waiting_listen(files_get(fd, FILE_LISTENER, "listen")->waiting, (uint32_t)backlog);
	trace("listen", fd, backlog, error);
	return (int)answer(error);
}

/* Returns whether it is an option of keepalive. */
static bool
set_keepalive(int *keepalive_s, int level, int name, const void *value)
{
	int number;

	memcpy(&number, value, sizeof(number));
	if (level == SOL_SOCKET && name == SO_KEEPALIVE)
		*keepalive_s = number ? -1 : 0;
	else if (level == IPPROTO_TCP && name == TCP_KEEPIDLE)
		*keepalive_s = number;
	else
		return level == IPPROTO_TCP && (name == TCP_KEEPINTVL || name == TCP_KEEPCNT);
	return true;
}

WRAP(int, setsockopt, int fd, int level, int name, const void *value, socklen_t length)
{
	struct file *file = files_any(fd, "setsockopt");
	struct linger linger;
	int error = 0;

	if (file->kind == FILE_STREAM && level == SOL_SOCKET && name == SO_LINGER) {
		expect(length == sizeof(linger), "setsockopt of SO_LINGER");
		memcpy(&linger, value, sizeof(linger));
		file->stream->linger = linger.l_onoff && linger.l_linger == 0;
	} else if (file->kind == FILE_STREAM) {
		expect(set_keepalive(&file->stream->keepalive_s, level, name, value),
		        "setsockopt %d, %d on a connection", level, name);
	} else {
		if (file->kind == FILE_LISTENER) /* whether it succeeds or not */
			set_keepalive(&file->waiting->keepalive_s, level, name, value);
		error = -fault(CALL_SET_OPTION);
		if (file->kind == FILE_UDP && level == IPPROTO_UDP && error == 0)
			datagrams_set_option(file->udp, name, *(const int *)value);
	}
	trace("setsockopt", fd, name, error);
	return (int)answer(error);
}

static int
memory_info(void *value, socklen_t *length)
{
	int error = -fault(CALL_MEMORY_INFO);
	uint32_t info[SK_MEMINFO_VARS] = {
	        [SK_MEMINFO_DROPS] = (uint32_t)datagrams_counted()->drops};

	expect(*length == sizeof(info), "getsockopt of SO_MEMINFO with %u bytes", *length);
	*length = (socklen_t)fault_cut(*length); /* older kernels know less */
	datagrams_drops_asked(!error && *length == sizeof(info));
	if (error)
		return (int)answer(error);
	memcpy(value, info, *length);
	return 0;
}

static int
tcp_info(const struct stream *stream, void *value, socklen_t *length)
{
	struct tcp_info info = {.tcpi_state = stream->dead ? STATE_CLOSED : STATE_CLOSE_WAIT,
	        .tcpi_bytes_acked = stream_bytes_acked(stream)};

	expect(*length == sizeof(info), "getsockopt of TCP_INFO with %u bytes", *length);
	memcpy(value, &info, *length);
	trace("getsockopt", stream->peer_fd, TCP_INFO, (int64_t)info.tcpi_bytes_acked);
	return 0;
}

WRAP(int, shutdown, int fd, int how)
{
	struct stream *stream = files_get(fd, FILE_STREAM, "shutdown")->stream;
	int error = stream->dead ? -ENOTCONN : 0;

	expect(how == SHUT_WR, "shutdown %d", how);
	trace("shutdown", fd, how, error);
	if (!error)
		stream_shut(stream);
	oracle_on_progress();
	return (int)answer(error);
}

WRAP(int, getsockopt, int fd, int level, int name, void *value, socklen_t *length)
{
	struct file *file = files_any(fd, "getsockopt");
	int result = 0, error;

	if (level == IPPROTO_TCP && name == TCP_INFO)
		return tcp_info(file->stream, value, length);
	expect(level == SOL_SOCKET, "getsockopt %d, %d", level, name);
	if (file->kind == FILE_STREAM) {
		expect(name == SO_ERROR && *length == sizeof(result), "getsockopt %d", name);
		result = stream_error(file->stream);
		memcpy(value, &result, sizeof(result));
		trace("getsockopt", fd, name, result);
		return 0;
	}
	if (name == SO_MEMINFO)
		return memory_info(value, length);
	error = -fault(CALL_GET_OPTION);
	if (error)
		return (int)answer(error);
	if (name == SO_COOKIE) {
		expect(*length == sizeof(uint64_t), "getsockopt of SO_COOKIE with %u bytes",
		        *length);
		memcpy(value, &(uint64_t){(uint64_t)fd}, sizeof(uint64_t));
		return 0;
	}
	expect(*length == sizeof(result), "getsockopt %d, %d", level, name);
	if (name == SO_TYPE)
		result = file->kind == FILE_UDP ? SOCK_DGRAM : SOCK_STREAM;
	else if (name == SO_ACCEPTCONN)
		result = file->kind == FILE_STATS ||
		         (file->kind == FILE_LISTENER && file->waiting->listening);
	memcpy(value, &result, sizeof(result));
	trace("getsockopt", fd, name, result);
	return 0;
}

WRAP(int, getsockname, int fd, struct sockaddr *name, socklen_t *length)
{
	struct address address = {.length = sizeof(address.in6), .in6 = {.sin6_family = AF_INET6}};
	const struct file *file = files_any(fd, "getsockname");
	int error = -fault(CALL_GET_NAME);

	if (error)
		return (int)answer(error);
	if (file->kind == FILE_STATS) {
		*length = stats_clients_name(name);
		return 0;
	}
	if (file->kind != FILE_STREAM &&
	        (file->kind == FILE_UDP ? datagrams_family(file->udp) : file->waiting->family) ==
	                AF_INET)
		address = (struct address){
		        .length = sizeof(address.in4), .in4 = {.sin_family = AF_INET}};
	address_set_port(&address, OUR_PORT);
	memcpy(name, &address.storage, address.length);
	*length = address.length;
	return 0;
}

/* Of a connection that a reload has not brought the address of. The kernel does not know it any
 * more when RST has come. */
WRAP(int, getpeername, int fd, struct sockaddr *name, socklen_t *length)
{
	struct stream *stream = files_get(fd, FILE_STREAM, "getpeername")->stream;

	oracle_on_peer_asked(stream);
	trace("getpeername", fd, 0, stream->dead);
	if (stream->dead) {
		stream->from = (struct address){.length = sizeof(stream->from.any.sa_family)};
		return (int)answer(-ENOTCONN);
	}
	expect(*length >= stream->from.length, "getpeername has no room for an address");
	memcpy(name, &stream->from.storage, stream->from.length);
	*length = stream->from.length;
	return 0;
}

WRAP(int, fcntl, int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if (!calls_simulated())
		return __real_fcntl(fd, command, argument);
	if (command == F_SETFD)
		files_any(fd, "fcntl")->close_on_exec = argument & FD_CLOEXEC;
	if (command == F_DUPFD_CLOEXEC)
		return (int)answer(files_open(files_any(fd, "fcntl")->kind));
	files_any(fd, "fcntl");
	return command == F_GETFL ? O_RDWR : 0;
}

WRAP(int, accept4, int fd, struct sockaddr *name, socklen_t *length, int flags)
{
	struct waiting *waiting;
	struct stream *stream;
	int peer_fd;

	scenario_interlude();
	if (files_any(fd, "accept4")->kind == FILE_STATS)
		return calls_accept_stats(fd, flags);
	expect(flags == SOCK_NONBLOCK, "accept4 with flags %x", (unsigned)flags);
	waiting = files_get(fd, FILE_LISTENER, "accept4")->waiting;
	oracle_on_accept_call();
	peer_fd = -fault(CALL_ACCEPT);
	if (peer_fd == 0 && waiting->count == 0)
		peer_fd = -EAGAIN;
	if (peer_fd == 0) /* first the descriptor, then the connection: none is lost */
		peer_fd = files_open(FILE_STREAM);
	trace("accept4", fd, waiting->count, peer_fd);
	if (peer_fd < 0) {
		oracle_on_accept_error(-peer_fd);
		return (int)answer(peer_fd);
	}
	stream = waiting_take(waiting);
	files_any(peer_fd, "accept4")->stream = stream;
	expect(*length >= stream->from.length, "accept4 has no room for an address");
	memcpy(name, &stream->from.storage, stream->from.length);
	*length = stream->from.length;
	stream->keepalive_s = waiting->keepalive_s;
	stream_accept(stream, peer_fd);
	oracle_on_accept(stream);
	return peer_fd;
}

WRAP(ssize_t, recv, int fd, void *buffer, size_t size, int flags)
{
	struct stream *stream = files_get(fd, FILE_STREAM, "recv")->stream;
	bool awaited_header;
	ssize_t result;

	scenario_interlude();
	expect(!stream->refused && !stream->client_refused,
	        "recv from a connection that is to be refused");
	awaited_header = stream_awaits_header(stream);
	result = stream_receive(stream, buffer, size, flags);
	if (awaited_header && !stream_awaits_header(stream))
		oracle_on_header(stream);
	if (result != -EAGAIN && !stream->header_stale)
		oracle_on_progress();
	if (result > 0 && !(flags & MSG_PEEK))
		oracle_on_activity();
	trace(flags & MSG_PEEK      ? "peek"
	        : flags & MSG_TRUNC ? "take"
	                            : "recv",
	        fd, (int64_t)size, result);
	return answer(result);
}

WRAP(ssize_t, send, int fd, const void *buffer, size_t size, int flags)
{
	struct stream *stream;
	ssize_t result;

	scenario_interlude();
	if (files_any(fd, "send")->kind == FILE_STATS_CLIENT) {
		result = stats_clients_send(buffer, size, flags);
		trace("send", fd, (int64_t)size, result);
		return answer(result);
	}
	stream = files_get(fd, FILE_STREAM, "send")->stream;
	result = stream_send(stream, buffer, size, flags);
	if (result != -EAGAIN)
		oracle_on_progress();
	if (result > 0)
		oracle_on_activity();
	trace("send", fd, (int64_t)size, result);
	return answer(result);
}

WRAP(int, recvmmsg, int fd, struct mmsghdr *messages, unsigned count, int flags,
        struct timespec *timeout)
{
	int result;

	scenario_interlude();
	expect((flags & MSG_DONTWAIT) && !timeout, "recvmmsg may wait");
	result = datagrams_receive(files_get(fd, FILE_UDP, "recvmmsg")->udp, messages, count);
	if (result != -EAGAIN)
		oracle_on_progress();
	if (result > 0)
		oracle_on_activity();
	trace("recvmmsg", fd, count, result);
	return (int)answer(result);
}

WRAP(int, sendmmsg, int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	int result;

	scenario_interlude();
	expect(flags & MSG_DONTWAIT, "sendmmsg may wait");
	result = datagrams_send_many(files_get(fd, FILE_UDP, "sendmmsg")->udp, messages, count);
	trace("sendmmsg", fd, count, result);
	return (int)answer(result);
}

WRAP(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
	ssize_t result;

	scenario_interlude();
	expect(flags & MSG_DONTWAIT, "sendmsg may wait");
	result = datagrams_send(files_get(fd, FILE_UDP, "sendmsg")->udp, message);
	trace("sendmsg", fd, (int64_t)message->msg_iov->iov_len, result);
	return answer(result);
}

WRAP(ssize_t, sendto, int fd, const void *text, size_t size, int flags, const struct sockaddr *to,
        socklen_t length)
{
	ssize_t result;

	files_get(fd, FILE_NOTIFY, "sendto");
	scenario_interlude();
	result = notify_send(text, size, flags, to, length);
	trace("sendto", fd, (int64_t)size, result);
	return answer(result);
}
