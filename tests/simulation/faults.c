#include "faults.h"

#include "random.h"

#include <errno.h>
#include <stddef.h>

enum {
	ERRORS_MOST = 20,
};

/* From the man pages, without those that only a mistake of the caller brings (EBADF, EINVAL, …):
 * these fail the run where they would be returned. Lists end with 0. */
static const struct {
	int soft[3], hard[ERRORS_MOST];
} errors[] = {
        [CALL_ACCEPT] = {{EAGAIN, EINTR},
                {ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EPERM, ENETDOWN,
                        ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH,
                        ETIMEDOUT, ENOSR, ESOCKTNOSUPPORT, EPROTONOSUPPORT}},
        [CALL_RECEIVE] = {{EAGAIN, EINTR}, {ENOMEM, ECONNREFUSED, EIO}},
        [CALL_TAKE] = {{EINTR}, {0}},
        [CALL_SEND] = {{EAGAIN, EINTR}, {ENOBUFS, ENOMEM, EACCES, EPIPE, EIO}},
        [CALL_CLOSE] = {{EINTR}, {EIO, ENOSPC, EDQUOT}},
        [CALL_EPOLL_ADD] = {{0}, {ENOMEM, ENOSPC}},
        [CALL_EPOLL_WAIT] = {{EINTR}, {0}},
        [CALL_LOG] = {{EAGAIN, EINTR}, {EPIPE, ENOSPC, EIO, EDQUOT, EFBIG}},
        [CALL_RECVMMSG] = {{EAGAIN, EINTR}, {ENOMEM, ECONNREFUSED}},
        [CALL_SENDMMSG] = {{EAGAIN, EINTR},
                {ENOBUFS, ENOMEM, EPERM, EACCES, ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN,
                        ECONNREFUSED, EMSGSIZE, EINVAL, EIO}},
        [CALL_SUBMIT] = {{0}, {ENOMEM, EAGAIN, EBUSY, EINTR}},
        [CALL_TUNE] = {{0}, {ENOPROTOOPT, ENOMEM, EPERM}},
        [CALL_SETUP] = {{0}, {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EADDRINUSE, ENOSYS}},
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

int
fault(enum call call)
{
	if (random_one_in(call >= CALL_TUNE || state.setup ? state.setup : state.hard))
		return one_of(errors[call].hard, ERRORS_MOST);
	if (random_one_in(state.soft))
		return one_of(errors[call].soft, 3);
	return 0;
}

uint64_t
fault_cut(uint64_t length)
{
	return length > 1 && random_one_in(state.cuts) ? 1 + random_below(length - 1) : length;
}
