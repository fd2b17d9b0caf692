/*
 * Runs the daemon with the system calls that echod.service allows, so that the system tests show
 * whether these suffice. The unit answers any other call with EPERM, which a test might not notice;
 * here it kills the daemon. With REFUSE in the environment it is EPERM here, too: strace injects
 * errors by way of a call that does not exist.
 *
 * CALLS (from the unit and systemd's @default) and DAEMON come from the build.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static const char *const allowed[] = {CALLS};
/* what the loader, libraries and the daemon itself ask for at the start, and can do without */
static const char *const refused[] = {"access", "prctl"};
/* what only a daemon needs that opens its sockets itself, as most tests have it do */
static const char *const besides[] = {"bind", "listen"};

static int
add(scmp_filter_ctx filter, unsigned action, const char *const *names, size_t count)
{
	int error = 0;

	for (size_t i = 0; i < count && error == 0; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);

		if (number != __NR_SCMP_ERROR) /* systemd knows calls of other architectures */
			error = seccomp_rule_add(filter, action, number, 0);
	}
	return error;
}

int
main(int argc, char **argv)
{
	bool kill = !getenv("REFUSE");
	scmp_filter_ctx filter = seccomp_init(kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));

	(void)argc;
	if (!filter || add(filter, SCMP_ACT_ALLOW, allowed, ARRAY_SIZE(allowed)) != 0 ||
	        add(filter, SCMP_ACT_ALLOW, besides, ARRAY_SIZE(besides)) != 0 ||
	        /* libseccomp takes no rule that says what is so anyway */
	        (kill && add(filter, SCMP_ACT_ERRNO(EPERM), refused, ARRAY_SIZE(refused)) != 0) ||
	        seccomp_load(filter) != 0)
		return 125;
	execv(DAEMON, argv);
	return 126;
}
