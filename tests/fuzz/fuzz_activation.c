/* Any environment that a service manager, or a program that pretends to be one, may leave: sockets
 * handed over (sd_listen_fds(3)), the socket for messages (sd_notify(3)), the watchdog
 * (sd_watchdog_enabled(3)). */
#include "fuzz.h"

#include "echod/listeners.h"
#include "echod/log.h"
#include "echod/service.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	FIRST = 3, /* SD_LISTEN_FDS_START */
	MOST = 4,  /* handed over at a time; behind them nothing is open */
	PID_MARK = '$',
};

enum kind {
	NOTHING,
	LISTENER,
	STREAM, /* does not listen */
	DATAGRAM,
	LOCAL_LISTENER,
	LOCAL_DATAGRAM,
	SEQPACKET,
	NO_SOCKET,
	N_KINDS,
};

static const char *const names[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET",
        "WATCHDOG_USEC", "WATCHDOG_PID"};

static struct address told; /* where the last message went */
static unsigned messages;

ssize_t __wrap_sendto(int fd, const void *bytes, size_t length, int flags,
        const struct sockaddr *address, socklen_t address_length);

ssize_t
__wrap_sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *address,
        socklen_t address_length)
{
	(void)fd;
	EXPECT(memchr(bytes, '=', length));
	EXPECT(flags & MSG_DONTWAIT && flags & MSG_NOSIGNAL);
	EXPECT(address_length <= sizeof(struct sockaddr_un));
	told.length = address_length;
	memcpy(&told.storage, address, address_length);
	messages++;
	return (ssize_t)length;
}

/* Between runs these are taken, so that what libFuzzer opens stays above. */
static void
reserve(void)
{
	int null_fd = open("/dev/null", O_RDONLY);

	EXPECT(null_fd >= 0);
	for (int fd = FIRST; fd < FIRST + MOST; fd++)
		EXPECT(dup2(null_fd, fd) == fd);
	if (null_fd >= FIRST + MOST)
		close(null_fd);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_threshold(LOG_EMERG);
	reserve();
	return 0;
}

static int
open_kind(enum kind kind)
{
	static const int types[N_KINDS] = {[LISTENER] = SOCK_STREAM,
	        [STREAM] = SOCK_STREAM,
	        [DATAGRAM] = SOCK_DGRAM,
	        [LOCAL_LISTENER] = SOCK_STREAM,
	        [LOCAL_DATAGRAM] = SOCK_DGRAM,
	        [SEQPACKET] = SOCK_SEQPACKET};
	bool local = kind == LOCAL_LISTENER || kind == LOCAL_DATAGRAM || kind == SEQPACKET;
	const struct sockaddr_un any = {.sun_family = AF_UNIX}; /* unix(7), autobind */
	int fd;

	if (kind == NO_SOCKET)
		return open("/dev/null", O_RDONLY);
	fd = socket(local ? AF_UNIX : AF_INET, types[kind], 0);
	if (local)
		EXPECT(bind(fd, (const struct sockaddr *)&any, sizeof(sa_family_t)) == 0);
	if (kind == LISTENER || kind == LOCAL_LISTENER || kind == SEQPACKET)
		EXPECT(listen(fd, 1) == 0);
	return fd;
}

/* Returns how many descriptors there are before the first gap. */
static int
hand_over(struct input *input, enum kind *kinds)
{
	int present = 0;

	for (int fd = FIRST; fd < FIRST + MOST; fd++)
		close(fd);
	for (int i = 0; i < MOST; i++) {
		int fd;

		kinds[i] = (enum kind)(input_byte(input) % N_KINDS);
		if (kinds[i] == NOTHING)
			continue;
		fd = open_kind(kinds[i]);
		EXPECT(fd >= FIRST);
		if (fd != FIRST + i) {
			EXPECT(dup2(fd, FIRST + i) == FIRST + i);
			close(fd);
		}
	}
	while (present < MOST && kinds[present] != NOTHING)
		present++;
	return present;
}

/* A mark stands for the process's own id, which no fuzzer can know. */
static void
set_environment(struct input *input)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *text = input_text(input), *value = text, own[16];

		snprintf(own, sizeof(own), "%d", (int)getpid());
		if (strcmp(text, (char[]){PID_MARK, '\0'}) == 0)
			value = own;
		if (text[0] == '!') /* not there at all */
			EXPECT(unsetenv(names[i]) == 0);
		else
			EXPECT(setenv(names[i], value, 1) == 0);
		free(text);
	}
}

static bool
is_number(const char *text, unsigned long *number)
{
	char *end;

	if (!text || text[0] < '1' || text[0] > '9') /* a zero in front would mean octal */
		return false;
	errno = 0;
	*number = strtoul(text, &end, 10);
	return errno == 0 && *end == '\0';
}

/* A name for each socket, without what libsystemd would unescape. */
static bool
names_are_plain(unsigned long count)
{
	const char *text = getenv("LISTEN_FDNAMES");
	unsigned long names_count = 1;

	if (!text)
		return true;
	for (const char *c = text; *c; c++)
		names_count += *c == ':';
	return names_count == count && *text && !strchr(text, '\\') &&
	       !strstr(text, LISTENERS_STATS_NAME);
}

static bool
numbers_are_plain(unsigned long *count)
{
	unsigned long pid;

	*count = 0;
	if (!getenv("LISTEN_PID"))
		return true;
	if (!is_number(getenv("LISTEN_PID"), &pid) || pid > INT32_MAX)
		return false;
	if (pid != (unsigned long)getpid() || !getenv("LISTEN_FDS"))
		return true;
	return is_number(getenv("LISTEN_FDS"), count) && *count <= INT32_MAX - FIRST;
}

/* What plain decimal numbers and names say of sockets; others libsystemd may take or refuse. */
static bool
is_plain(unsigned long *count)
{
	return numbers_are_plain(count) && names_are_plain(*count);
}

/* The first descriptor that no daemon could serve, or all of them. */
static unsigned long
n_good(const enum kind *kinds, unsigned long count)
{
	unsigned long i = 0;

	while (i < count && (kinds[i] == LISTENER || kinds[i] == DATAGRAM ||
	                            kinds[i] == LOCAL_LISTENER || kinds[i] == LOCAL_DATAGRAM))
		i++;
	return i;
}

static void
take_over(const enum kind *kinds, int present)
{
	const struct options options = {.activated = true, .dscp = true};
	struct listeners listeners;
	char problem[256] = "";
	unsigned long count, good;
	bool plain = is_plain(&count);
	int error = listeners_open(&listeners, &options, problem, sizeof(problem));

	EXPECT((error == 0) == (problem[0] == '\0'));
	EXPECT(memchr(problem, '\0', sizeof(problem)));
	if (!plain) {
		EXPECT(error <= 0);
	} else if (count == 0) {
		EXPECT(error == -EUSERS);
	} else if (count > (unsigned long)present) {
		EXPECT(error == -EBADF);
	} else {
		good = n_good(kinds, count);
		EXPECT((error == 0) == (good == count));
		EXPECT(listeners.count == good + (good < count));
		EXPECT(error == 0 || error == -EPROTOTYPE || error == -ENOTSOCK);
	}
	for (size_t i = 0; !error && i < listeners.count; i++) {
		const struct listener *l = &listeners.all[i];

		EXPECT(l->handed_over && l->listen_fd == FIRST + (int)i);
		EXPECT(fcntl(l->listen_fd, F_GETFD) == 0);
		EXPECT(fcntl(l->listen_fd, F_GETFL) & O_NONBLOCK);
	}
	listeners_close(&listeners, NULL);
	EXPECT(listeners.count == 0);
	/* no child is to think that they are its own */
	EXPECT(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	reserve(); /* closes what was not taken over */
}

/* sd_notify(3): a path, or an abstract name behind @. */
static bool
is_expected(const char *path)
{
	size_t length = strlen(path), room = sizeof(told.local.sun_path);

	return told.any.sa_family == AF_UNIX && length < room &&
	       (path[0] == '/' || (path[0] == '@' && told.local.sun_path[0] == '\0')) &&
	       memcmp(told.local.sun_path + 1, path + 1, length - 1) == 0 &&
	       told.length ==
	               offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '/' ? 1 : 0);
}

static void
never(void *owner)
{
	(void)owner;
	abort();
}

static void
tell(void)
{
	const struct stats stats = {0};
	struct service_config config = {.stats = &stats, .on_idle = never};
	const char *path = getenv("NOTIFY_SOCKET");
	bool manager = path && (path[0] == '/' || path[0] == '@') &&
	               strlen(path) < sizeof(told.local.sun_path);
	struct service *service;

	messages = 0;
	config.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	EXPECT(config.loop);
	service = service_new(&config);
	EXPECT(service);
	for (int turn = 0; turn < 2; turn++)
		ev_run(config.loop, EVRUN_NOWAIT);
	EXPECT(manager ? messages > 0 && is_expected(path) : messages == 0);
	service_stopping(service, 1000);
	service_free(service);
	ev_loop_destroy(config.loop);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	enum kind kinds[MOST];
	int present = hand_over(&input, kinds);

	set_environment(&input);
	take_over(kinds, present);
	tell();
	return 0;
}
