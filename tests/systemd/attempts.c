/*
 * What an attacker who has taken over the daemon would try next. Run inside the cage, it writes a
 * line for each attempt, "refused NAME: why" or "succeeded NAME", and at the end "done N attempts".
 *
 * An attempt is refused when it ends with one of the errors that say so; any other end, even EINVAL
 * or EFAULT, means that it got through to the kernel's code and counts as a success. What every
 * process may do (memory, clocks, its own identity) is not tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/reboot.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

struct call {
	const char *name;
	long number, arguments[5];
};

static char zeros[4096];
static const char *const no_words[] = {NULL};
static const char *const shell[] = {"sh", "-c", "exit 0", NULL};

#define TEXT(text) ((long)(text))
#define ZEROS      ((long)zeros)
#define CREATE     (O_CREAT | O_WRONLY)

static const struct call calls[] = {
        /* reading what is not ours */
        {"read /etc/passwd", SYS_openat, {AT_FDCWD, TEXT("/etc/passwd"), O_RDONLY}},
        {"read /etc/hostname", SYS_openat, {AT_FDCWD, TEXT("/etc/hostname"), O_RDONLY}},
        {"write echod.conf", SYS_openat, {AT_FDCWD, TEXT("/etc/echod/echod.conf"), O_WRONLY}},
        {"create /etc/echod/f", SYS_openat, {AT_FDCWD, TEXT("/etc/echod/f"), CREATE, 0600}},
        {"read /var/log", SYS_openat, {AT_FDCWD, TEXT("/var/log"), O_RDONLY}},
        {"read /home", SYS_openat, {AT_FDCWD, TEXT("/home"), O_RDONLY}},
        {"read /run/systemd/system", SYS_openat, {AT_FDCWD, TEXT("/run/systemd/system"), O_RDONLY}},
        {"read /proc/1/environ", SYS_openat, {AT_FDCWD, TEXT("/proc/1/environ"), O_RDONLY}},
        {"read /proc/net/tcp", SYS_openat, {AT_FDCWD, TEXT("/proc/net/tcp"), O_RDONLY}},
        {"read /proc/kallsyms", SYS_openat, {AT_FDCWD, TEXT("/proc/kallsyms"), O_RDONLY}},
        {"read /sys/kernel", SYS_openat, {AT_FDCWD, TEXT("/sys/kernel"), O_RDONLY}},
        {"open /dev/mem", SYS_openat, {AT_FDCWD, TEXT("/dev/mem"), O_RDONLY}},
        {"open /dev/kmsg", SYS_openat, {AT_FDCWD, TEXT("/dev/kmsg"), O_WRONLY}},
        {"open /dev/ptmx", SYS_openat, {AT_FDCWD, TEXT("/dev/ptmx"), O_RDWR}},
        {"list a directory", SYS_getdents64, {0, ZEROS, sizeof(zeros)}},
        /* changing files */
        {"create /f", SYS_openat, {AT_FDCWD, TEXT("/f"), CREATE, 0600}},
        {"create /etc/f", SYS_openat, {AT_FDCWD, TEXT("/etc/f"), CREATE, 0600}},
        {"create /tmp/f", SYS_openat, {AT_FDCWD, TEXT("/tmp/f"), CREATE, 0600}},
        {"create /var/tmp/f", SYS_openat, {AT_FDCWD, TEXT("/var/tmp/f"), CREATE, 0600}},
        {"create /var/lib/f", SYS_openat, {AT_FDCWD, TEXT("/var/lib/f"), CREATE, 0600}},
        {"create /run/f", SYS_openat, {AT_FDCWD, TEXT("/run/f"), CREATE, 0600}},
        {"create /run/lock/f", SYS_openat, {AT_FDCWD, TEXT("/run/lock/f"), CREATE, 0600}},
        {"create /dev/f", SYS_openat, {AT_FDCWD, TEXT("/dev/f"), CREATE, 0600}},
        {"create /dev/shm/f", SYS_openat, {AT_FDCWD, TEXT("/dev/shm/f"), CREATE, 0600}},
        {"create /dev/mqueue/f", SYS_openat, {AT_FDCWD, TEXT("/dev/mqueue/f"), CREATE, 0600}},
        {"create /sys/f", SYS_openat, {AT_FDCWD, TEXT("/sys/fs/cgroup/f"), CREATE, 0600}},
        {"create without a name", SYS_openat, {AT_FDCWD, TEXT("/tmp"), O_TMPFILE | O_RDWR, 0600}},
        {"write to the program", SYS_openat, {AT_FDCWD, TEXT("/proc/self/exe"), O_WRONLY}},
        {"write to a library", SYS_openat,
                {AT_FDCWD, TEXT("/lib64/ld-linux-x86-64.so.2"), O_WRONLY}},
        {"memfd_create", SYS_memfd_create, {TEXT("f"), 0}},
        {"mkdirat", SYS_mkdirat, {AT_FDCWD, TEXT("/tmp/d"), 0700}},
        {"unlinkat", SYS_unlinkat, {AT_FDCWD, TEXT("/tmp/f"), 0}},
        {"renameat2", SYS_renameat2, {AT_FDCWD, TEXT("/tmp/f"), AT_FDCWD, TEXT("/tmp/g"), 0}},
        {"symlinkat", SYS_symlinkat, {TEXT("/etc/passwd"), AT_FDCWD, TEXT("/tmp/l")}},
        {"linkat", SYS_linkat, {AT_FDCWD, TEXT("/tmp/f"), AT_FDCWD, TEXT("/tmp/g"), 0}},
        {"mknodat", SYS_mknodat, {AT_FDCWD, TEXT("/tmp/n"), 0020666, 0x0101}},
        {"fchmodat", SYS_fchmodat, {AT_FDCWD, TEXT("/tmp"), 0777}},
        {"fchownat", SYS_fchownat, {AT_FDCWD, TEXT("/tmp"), 0, 0, 0}},
        {"ftruncate", SYS_ftruncate, {2, 0}},
        {"setxattr", SYS_setxattr, {TEXT("/tmp"), TEXT("user.a"), ZEROS, 1, 0}},
        {"inotify_init1", SYS_inotify_init1, {0}},
        {"fanotify_init", SYS_fanotify_init, {0, 0}},
        {"open_by_handle_at", SYS_open_by_handle_at, {AT_FDCWD, ZEROS, O_RDONLY}},
        /* the network */
        {"socket TCP", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
        {"socket UDP", SYS_socket, {AF_INET, SOCK_DGRAM, 0}},
        {"socket TCP over IPv6", SYS_socket, {AF_INET6, SOCK_STREAM, 0}},
        {"socket raw", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_ICMP}},
        {"socket AF_PACKET", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
        {"socket AF_NETLINK", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}},
        {"socket AF_VSOCK", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}},
        {"socket AF_ALG", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}},
        {"socket AF_BLUETOOTH", SYS_socket, {AF_BLUETOOTH, SOCK_RAW, 0}},
        {"socketpair", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, ZEROS}},
        {"bind", SYS_bind, {3, ZEROS, sizeof(struct sockaddr_in)}},
        {"listen", SYS_listen, {3, 1}},
        /* processes */
        {"exec a shell", SYS_execve, {TEXT("/bin/sh"), (long)shell, (long)no_words}},
        {"exec a shell through the loader", SYS_execve,
                {TEXT("/usr/bin/dash"), (long)shell, (long)no_words}},
        {"execveat", SYS_execveat, {AT_FDCWD, TEXT("/bin/sh"), (long)shell, (long)no_words, 0}},
        {"clone", SYS_clone, {SIGCHLD, 0, 0, 0, 0}},
        {"clone3", SYS_clone3, {ZEROS, 64}},
        {"kill init", SYS_kill, {1, 0}},
        {"kill all processes", SYS_kill, {-1, 0}},
        {"kill the parent's group", SYS_kill, {0, 0}},
        {"pidfd_open", SYS_pidfd_open, {1, 0}},
        {"ptrace", SYS_ptrace, {PTRACE_TRACEME, 0, 0, 0}},
        {"process_vm_readv", SYS_process_vm_readv, {1, ZEROS, 1, ZEROS, 1}},
        {"setuid", SYS_setuid, {0}},
        {"setgroups", SYS_setgroups, {0, 0}},
        {"capset", SYS_capset, {ZEROS, ZEROS}},
        {"setpriority", SYS_setpriority, {PRIO_PROCESS, 0, -10}},
        {"sched_setscheduler", SYS_sched_setscheduler, {0, SCHED_FIFO, ZEROS}},
        {"sched_setaffinity", SYS_sched_setaffinity, {0, sizeof(zeros), ZEROS}},
        {"setsid", SYS_setsid, {0}},
        {"prctl", SYS_prctl, {4 /* PR_SET_DUMPABLE */, 1}},
        {"seccomp", SYS_seccomp, {0, 0, 0}},
        {"personality", SYS_personality, {0x0400000 /* READ_IMPLIES_EXEC */}},
        /* the kernel */
        {"unshare a user namespace", SYS_unshare, {CLONE_NEWUSER}},
        {"unshare the network", SYS_unshare, {CLONE_NEWNET}},
        {"setns", SYS_setns, {0, 0}},
        {"mount", SYS_mount, {TEXT("t"), TEXT("/tmp"), TEXT("tmpfs"), 0, 0}},
        {"remount", SYS_mount, {0, TEXT("/"), 0, MS_REMOUNT | MS_BIND, 0}},
        {"umount2", SYS_umount2, {TEXT("/tmp"), MNT_DETACH}},
        {"fsopen", SYS_fsopen, {TEXT("tmpfs"), 0}},
        {"pivot_root", SYS_pivot_root, {TEXT("/tmp"), TEXT("/tmp")}},
        {"chroot", SYS_chroot, {TEXT("/tmp")}},
        {"keyctl", SYS_keyctl, {KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0}},
        {"add_key", SYS_add_key, {TEXT("user"), TEXT("k"), ZEROS, 1, KEY_SPEC_PROCESS_KEYRING}},
        {"bpf", SYS_bpf, {0, ZEROS, sizeof(zeros)}},
        {"perf_event_open", SYS_perf_event_open, {ZEROS, 0, -1, -1, 0}},
        {"userfaultfd", SYS_userfaultfd, {1 /* UFFD_USER_MODE_ONLY */}},
        {"io_uring_setup", SYS_io_uring_setup, {4, ZEROS}},
        {"init_module", SYS_init_module, {ZEROS, sizeof(zeros), ZEROS}},
        {"finit_module", SYS_finit_module, {0, ZEROS, 0}},
        {"delete_module", SYS_delete_module, {TEXT("echo"), 0}},
        {"kexec_load", SYS_kexec_load, {0, 0, ZEROS, 0}},
        {"reboot", SYS_reboot,
                {LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, 0}},
        {"swapon", SYS_swapon, {TEXT("/tmp/f"), 0}},
        {"sethostname", SYS_sethostname, {TEXT("h"), 1}},
        {"clock_settime", SYS_clock_settime, {0, ZEROS}},
        {"adjtimex", SYS_adjtimex, {ZEROS}},
        {"syslog", SYS_syslog, {10 /* SYSLOG_ACTION_SIZE_BUFFER */, 0, 0}},
        {"acct", SYS_acct, {0}},
        {"quotactl", SYS_quotactl, {0, 0, 0, 0}},
        {"shmget", SYS_shmget, {IPC_PRIVATE, 4096, IPC_CREAT | 0600}},
        {"msgget", SYS_msgget, {IPC_PRIVATE, IPC_CREAT | 0600}},
        {"semget", SYS_semget, {IPC_PRIVATE, 1, IPC_CREAT | 0600}},
        {"mq_open", SYS_mq_open, {TEXT("q"), O_CREAT | O_RDWR, 0600, 0}},
#ifdef __x86_64__
        {"iopl", SYS_iopl, {3}},
        {"ioperm", SYS_ioperm, {0x70, 2, 1}},
        {"modify_ldt", SYS_modify_ldt, {0, ZEROS, sizeof(zeros)}},
#endif
};

/* those of the table and the functions below */
#define ATTEMPTS (ARRAY_SIZE(calls) + 9)

static bool
is_refusal(int error)
{
	/* ENOENT: it cannot even be seen. ENOTCONN etc. would mean that there was a way. */
	return error == EPERM || error == EACCES || error == EROFS || error == ENOENT ||
	       error == EAFNOSUPPORT;
}

__attribute__((format(printf, 1, 2))) static void
tell(const char *format, ...)
{
	char line[256];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (write(STDERR_FILENO, line, (size_t)length) != length)
		_exit(1);
}

static void
report(const char *name, long result)
{
	int error = errno;

	if (result < 0 && is_refusal(error))
		tell("refused %s: %s\n", name, strerror(error));
	else if (result < 0)
		tell("succeeded %s: %s\n", name, strerror(error));
	else
		tell("succeeded %s\n", name);
}

static void
make_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *both = mmap(
	        NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	report("mmap writable and executable", both == MAP_FAILED ? -1 : 0);
	report("mprotect to executable", mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

/* A datagram needs no connection: what can be reached? */
static void
speak_to(const char *name, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	strcpy(address.sun_path, path);
	report(name, sendto(fd, "", 0, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
}

/* What it may write: a file in its runtime directory, where a reload leaves the state. */
static void
run_what_was_written(void)
{
	static char text[1 << 16];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	const char *place = getenv("RUNTIME_DIRECTORY");
	int to = open(place, O_TMPFILE | O_RDWR, 0700);
	ssize_t length;
	char path[64], name[64];

	while ((length = read(from, text, sizeof(text))) > 0)
		if (write(to, text, (size_t)length) != length)
			tell("attempts: nothing could be written\n");
	report("map what was written",
	        mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, to, 0) == MAP_FAILED ? -1 : 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	report("make what was written executable", fchmod(to, 0700));
	snprintf(name, sizeof(name), "%s/f", place);
	report("name what was written", linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
	/* ETXTBSY, where nothing else keeps it */
	report("run what was written", syscall(SYS_execve, path, shell, no_words));
}

static void
raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_max++;
	report("raise the limit of open files", setrlimit(RLIMIT_NOFILE, &limit));
}

int
main(void)
{
	/* Outside a cage, some of these would succeed, and the machine be the worse for it. */
	if (geteuid() == 0 || prctl(PR_GET_SECCOMP) == 0) {
		tell("attempts: this belongs into a cage\n");
		return 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];
		const long *a = c->arguments;
		long result = syscall(c->number, a[0], a[1], a[2], a[3], a[4]);

		/* the child of a clone that succeeded has nothing more to do */
		if (result == 0 && (c->number == SYS_clone || c->number == SYS_clone3))
			_exit(0);
		/* or else its end, a signal, stops this process once it is traced */
		if (result > 0 && (c->number == SYS_clone || c->number == SYS_clone3))
			waitpid((pid_t)result, NULL, __WALL);
		report(c->name, result);
		memset(zeros, 0, sizeof(zeros));
	}
	make_code();
	raise_limit();
	speak_to("write to the journal", "/run/systemd/journal/socket");
	speak_to("write to the system log", "/dev/log");
	run_what_was_written();
	tell("done %zu attempts\n", ATTEMPTS);
	return 0;
}
