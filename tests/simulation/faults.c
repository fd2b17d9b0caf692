#include "faults.h"

#include "random.h"

#include <errno.h>
#include <stddef.h>

enum {
	SOFT_MOST = 4,
	HARD_MOST = 20,
};

/* From the man pages (and of a socket what ICMP and others leave pending on it: tcp(7), ip(7)),
 * without those that only a mistake of the caller brings (EBADF, EINVAL, …): these fail the run
 * where they would be returned. Lists end with 0. */
static const struct {
	int soft[SOFT_MOST], hard[HARD_MOST];
} errors[] = {
        [CALL_ACCEPT] = {{EAGAIN, EINTR},
                {ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EPERM, ENETDOWN,
                        ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH,
                        ETIMEDOUT, ENOSR, ESOCKTNOSUPPORT, EPROTONOSUPPORT}},
        [CALL_RECEIVE] = {{EAGAIN, EINTR},
                {ENOMEM, ECONNREFUSED, ECONNABORTED, EHOSTUNREACH, ENETUNREACH, EACCES, EPROTO,
                        ENOPROTOOPT, EMSGSIZE, EIO}},
        [CALL_TAKE] = {{EINTR}, {0}},
        [CALL_SEND] = {{EAGAIN, EINTR},
                {ENOBUFS, ENOMEM, EACCES, EPERM, EPIPE, ECONNRESET, ECONNABORTED, EHOSTUNREACH,
                        ENETUNREACH, ENETDOWN, ETIMEDOUT, EIO}},
        [CALL_CLOSE] = {{EINTR}, {EIO, ENOSPC, EDQUOT}},
        [CALL_EPOLL_ADD] = {{0}, {ENOMEM, ENOSPC}},
        [CALL_EPOLL_WAIT] = {{EINTR}, {0}},
        [CALL_LOG] = {{EAGAIN, EINTR},
                {EPIPE, ENOSPC, EIO, EDQUOT, EFBIG, EPERM, ECONNRESET, EDESTADDRREQ}},
        [CALL_RECVMMSG] = {{EAGAIN, EINTR}, {ENOMEM, ECONNREFUSED, ENETDOWN, EIO}},
        [CALL_SENDMMSG] = {{EAGAIN, EINTR},
                {ENOBUFS, ENOMEM, EPERM, EACCES, ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN,
                        ECONNREFUSED, EMSGSIZE, EINVAL, EADDRNOTAVAIL, ENODEV, ENXIO, EOPNOTSUPP,
                        EDESTADDRREQ, EPIPE, EIO}},
        [CALL_NOTIFY] = {{EAGAIN, EINTR, ENOBUFS},
                {ECONNREFUSED, ENOENT, EACCES, EPERM, ENOMEM, EMSGSIZE, ENOTDIR, ELOOP, EPROTOTYPE,
                        ECONNRESET, EPIPE}},
        [CALL_ADVISE] = {{0}, {EAGAIN, ENOMEM, EIO, EINVAL, EPERM}},
        [CALL_MEMORY_INFO] = {{0}, {ENOPROTOOPT, ENOBUFS}},
        [CALL_SOCKET] = {{0},
                {EACCES, EAFNOSUPPORT, EPROTONOSUPPORT, EMFILE, ENFILE, ENOBUFS, ENOMEM}},
        [CALL_BIND] = {{0}, {EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, ENOMEM}},
        [CALL_LISTEN] = {{0}, {EADDRINUSE, EOPNOTSUPP, EACCES, ENOMEM}},
        [CALL_SET_OPTION] = {{0}, {ENOPROTOOPT, ENOMEM, EPERM, EINVAL, ENOBUFS, EDOM}},
        [CALL_GET_OPTION] = {{0}, {ENOPROTOOPT, EACCES}},
        [CALL_GET_NAME] = {{0}, {ENOBUFS}},
        [CALL_EPOLL_CREATE] = {{0}, {EMFILE, ENFILE, ENOMEM}},
        [CALL_SIGNAL_FD] = {{0}, {EMFILE, ENFILE, ENODEV, ENOMEM}},
        [CALL_ENTROPY] = {{0}, {ENOSYS}},
        [CALL_MAP] = {{0}, {ENOMEM, EAGAIN, EPERM}},
        [CALL_ALLOCATE] = {{0}, {ENOMEM}},
};

static struct {
	uint64_t soft, hard, cuts, setup;
} state;

void
faults_begin(void)
{
	faults_set(0, 0, 0);
	faults_set_setup(0);
}

void
faults_set(uint64_t soft, uint64_t hard, uint64_t cuts)
{
	state.soft = soft;
	state.hard = hard;
	state.cuts = cuts;
}

void
faults_set_setup(uint64_t one_in)
{
	state.setup = one_in;
}

static int
one_of(const int *list, size_t most)
{
	size_t n = 0;

	while (n < most && list[n])
		n++;
	return n > 0 ? list[random_below(n)] : 0;
}

static uint64_t
hard_one_in(enum call call)
{
	if (call == CALL_EPOLL_ADD &&
	        state.setup) /* few starts get that far, and add two or three */
		return 1 + state.setup / 16;
	return call >= CALL_SOCKET || state.setup ? state.setup : state.hard;
}

int
fault(enum call call)
{
	if (random_one_in(hard_one_in(call)))
		return one_of(errors[call].hard, HARD_MOST);
	if (random_one_in(state.soft))
		return one_of(errors[call].soft, SOFT_MOST);
	return 0;
}

uint64_t
fault_cut(uint64_t length)
{
	return length > 1 && random_one_in(state.cuts) ? 1 + random_below(length - 1) : length;
}
