"""Lets one system call of the daemon fail, and judges what becomes of it.

strace lists the calls that a day in the daemon's life makes (start, TCP, UDP, signals, drain), and then lets each
of them fail: with each errno of its manual page, once or from then on for ever. Whatever fails, the
daemon serves the connections that come afterwards, or says in one line what is wrong; it ends neither by a signal nor
never, and it makes no more calls than there is work.
"""
import collections
import contextlib
import errno
import itertools
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time

import harness
from peers import payload

# The errors of each call's manual page (section 2, or 7 for sockets), and those of seccomp(2) for calls that
# containers like to forbid. Where a page says "Linux passes network errors", these are among them.
ERRORS = {
    "accept4": "EAGAIN EINTR ECONNABORTED EMFILE ENFILE ENOBUFS ENOMEM EPERM EPROTO EBADF EFAULT EINVAL ENOTSOCK "
               "EOPNOTSUPP ENETDOWN EHOSTUNREACH ETIMEDOUT",
    "bind": "EACCES EADDRINUSE EADDRNOTAVAIL EBADF EINVAL ENOTSOCK EFAULT ENOMEM EAFNOSUPPORT",
    "brk": "ENOMEM",
    "close": "EBADF EINTR EIO ENOSPC EDQUOT",
    "connect": "EACCES EAGAIN EBADF EFAULT EINTR EISCONN ENOENT ENOTSOCK EPERM EPROTOTYPE",
    "execve": "E2BIG EACCES EINVAL EIO ELIBBAD ELOOP EMFILE ENOENT ENOEXEC ENOMEM EPERM ETXTBSY",
    "epoll_create1": "EINVAL EMFILE ENFILE ENOMEM ENOSYS",
    "epoll_ctl": "ENOMEM ENOSPC",  # the others come of mistakes; libev asserts that it makes none
    "epoll_wait": "EBADF EFAULT EINTR EINVAL",
    "fcntl": "EACCES EAGAIN EBADF EINVAL EPERM",
    "getrandom": "EAGAIN EFAULT EINTR EINVAL ENOSYS",
    "getsockname": "EBADF EFAULT EINVAL ENOBUFS ENOTSOCK",
    "getsockopt": "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK",
    "listen": "EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP",
    "madvise": "EACCES EAGAIN EBADF EINVAL EIO ENOMEM EPERM",
    "mmap": "EACCES EAGAIN EBADF EINVAL ENFILE ENODEV ENOMEM EOVERFLOW EPERM",
    "munmap": "EINVAL ENOMEM",
    "newfstatat": "EACCES EBADF EFAULT ELOOP ENOENT ENOMEM EOVERFLOW",
    "openat": "EACCES EINTR EMFILE ENFILE ENODEV ENOENT ENOMEM ENXIO EPERM ELOOP",
    "prlimit64": "EFAULT EINVAL EPERM ESRCH",
    "read": "EAGAIN EBADF EFAULT EINTR EINVAL EIO",
    "recvfrom": "EAGAIN EBADF ECONNREFUSED ECONNRESET EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK ETIMEDOUT",
    "recvmmsg": "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK",
    "rt_sigaction": "EFAULT EINVAL",
    "rt_sigprocmask": "EFAULT EINVAL",
    "sendmmsg": "EACCES EAGAIN EBADF ECONNREFUSED EDESTADDRREQ EFAULT EHOSTUNREACH EINTR EINVAL EISCONN EMSGSIZE "
                "ENETDOWN ENETUNREACH ENOBUFS ENOMEM ENOTCONN ENOTSOCK EOPNOTSUPP EPERM EPIPE",
    "sendto": "EACCES EAGAIN EALREADY EBADF ECONNREFUSED ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE "
              "ENOBUFS ENOMEM ENOTCONN ENOTSOCK EOPNOTSUPP EPERM EPIPE ETIMEDOUT",
    "setsockopt": "EACCES EBADF EDOM EFAULT EINVAL ENOBUFS ENOMEM ENOPROTOOPT ENOTSOCK EPERM",
    "signalfd4": "EBADF EINVAL EMFILE ENFILE ENODEV ENOMEM",
    "socket": "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT EPROTO",
    "unlink": "EACCES EBUSY EFAULT EIO EISDIR ELOOP ENOENT ENOMEM ENOTDIR EPERM EROFS",
    "write": "EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE",
}
# A call that is not in the table is tortured all the same.
UNKNOWN = "EPERM ENOMEM ENOSYS"
# What never comes for ever: to try again is what the page asks for, or it tells of one pending connection, which has gone.
PASSING = {"EINTR", "EAGAIN", "ECONNABORTED", "EPROTO", "EOPNOTSUPP", "ENETDOWN", "EHOSTUNREACH", "ETIMEDOUT",
           "ECONNREFUSED"}
IN_A_ROW = 9
# These do not fail, or the process is gone.
INFALLIBLE = {"exit_group", "getpid", "rt_sigreturn", "restart_syscall", "umask"}

EXIT_RUNTIME, EXIT_PRIVILEGE = 1, 4
MAIN = 'openat(AT_FDCWD, "/dev/null", O_RDWR)'  # its first call; what comes before is the dynamic linker's
CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\w+|\?)(?: (.*))?$")
OPENS = {"accept4", "epoll_create", "epoll_create1", "eventfd2", "openat", "signalfd4", "socket"}
TOLD = re.compile(r"^(PAUSE|FAIL|ACCEPT|REFUSE): |^EXIT: .* reason=(?!eof)|^echod: ")
COUNTED = re.compile(r"\b(tcp_accept_errors|tcp_closed_(error|reset|timeout)|udp_failed_\w+|udp_receive_errors)=[1-9]")
# What is said in words of its own.
OTHER_WORDS = re.compile(r"signals: epoll does not take|IP_PKTINFO|neither a listening stream socket nor a datagram socket|"
                         r"stats socket \S+: Address already in use")  # a stale file that cannot be replaced
# In the middle of libev, which has no way back, and without the state, so without knowing what is open.
GIVEN_UP = re.compile(r"^echod: (\(libev\) |memory for the event loop: |the state of the program before: )")
ATTEMPTS = 5  # at being served, when something fails for ever
QUIET = 0.05  # seconds; long enough for a spin to show in the number of calls
SCRATCH = tempfile.TemporaryDirectory(prefix="echod-torture-")
STATS = os.path.join(SCRATCH.name, "stats")
SERVED = {"tcp": 2, "udp": 2, "stats": 2}  # how often, in a life in which nothing fails for ever
Call = collections.namedtuple("Call", "name arguments result rest place")  # place: among all of its name


class Gone(Exception):
    """The daemon has ended, or does not serve and has not said why."""


class Start:
    """How the daemon is started; each time on a port of its own, in a network of the test's own, and with a stats socket
    in the place of one that a killed daemon has left."""

    PORTS = itertools.count(5000)

    def __init__(self, *options, handed_over=False):
        own = () if handed_over else ("--stats-socket=" + STATS,)
        self.options, self.handed_over, self.port = (*own, *options), handed_over, None

    @contextlib.contextmanager
    def __call__(self, wrapper):
        self.port = next(self.PORTS)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(STATS)
        with contextlib.ExitStack() as stack:
            if self.handed_over:
                before, handed, more = self._hand_over(stack)
            else:
                before, handed, more = [], [], {}
                stack.enter_context(socket.socket(socket.AF_UNIX)).bind(STATS)
            own = [] if self.handed_over else [f"--port={self.port}"]
            yield stack.enter_context(subprocess.Popen(
                [*before, *wrapper, harness.ECHOD, *own, *self.options], env=dict(os.environ, **more),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=handed))

    def _hand_over(self, stack):
        here = ("127.0.0.1", self.port)
        sockets = []
        for family, kind, address in ((socket.AF_INET, socket.SOCK_STREAM, here), (socket.AF_INET, socket.SOCK_DGRAM, here),
                                      (socket.AF_UNIX, socket.SOCK_STREAM, STATS)):
            sockets.append(stack.enter_context(socket.socket(family, kind)))
            sockets[-1].bind(address)
            if kind == socket.SOCK_STREAM:
                sockets[-1].listen(100)
        manager = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        manager.bind("\0torture")
        numbers = [sock.fileno() for sock in sockets]
        given = " ".join(f"{to}<&{number}" for to, number in enumerate(numbers, 3))
        names = "echod.socket:echod-udp.socket:echod-stats.socket"
        script = f"exec {given}; LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES={names} exec \"$@\""
        return ["/bin/sh", "-c", script, "sh"], numbers, {"NOTIFY_SOCKET": "@torture", "WATCHDOG_USEC": "200000"}


class Life:
    """One life of the daemon, from start to end, and its clients. patient: a client that is not served tries on, although
    the daemon may have said why it does not serve."""

    def __init__(self, start, wrapper=(), patient=True, crowd=3):
        self.start, self.patient, self.crowd = start, patient, crowd
        self.wrong, self.status, self.served = [], None, collections.Counter()
        with start(wrapper) as self.process:
            self.lines = harness.Lines(self.process.stderr)
            try:
                with contextlib.suppress(Gone):
                    self._live()
                self.status = self.process.wait(harness.DEADLINE)
            except subprocess.TimeoutExpired:
                self.wrong.append("it does not end")
            finally:
                self.process.kill()
            self.lines.thread.join(harness.DEADLINE)
        self.said = self.lines.all

    def _live(self):
        self._exchange("tcp", b"hello")
        self._exchange("udp", b"hello")
        with contextlib.suppress(OSError), self._connect("tcp") as peer:
            self._converse(peer, payload(1 << 20), deaf=True)
        self._together()
        self._exchange("stats")
        if self._hears():
            self.process.send_signal(signal.SIGUSR1)
            if self.patient:  # what fails for ever ends the dynamic linker, too
                self.process.send_signal(signal.SIGHUP)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(QUIET)
        # connections after all that
        self._exchange("tcp", b"still there?")
        self._exchange("udp", b"still there?")
        self._exchange("stats")
        with contextlib.suppress(OSError), self._connect("tcp") as peer:
            self._converse(peer, b"the last one")
            self.process.send_signal(signal.SIGTERM)
            peer.shutdown(socket.SHUT_WR)
            self.process.wait(harness.DEADLINE)
        self.process.send_signal(signal.SIGTERM)

    def _together(self):
        """Several have something to say in the same turn."""
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            peers = [stack.enter_context(self._connect("tcp")) for _ in range(self.crowd)]
            for peer in peers:
                if self._converse(peer, b"one") != b"one":
                    return
            self.process.send_signal(signal.SIGSTOP)
            try:
                for peer in peers:
                    peer.send(b"two")
            finally:
                self.process.send_signal(signal.SIGCONT)
            for peer in peers:
                self._converse(peer, b"two", sent=3)

    def _connect(self, kind):
        peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        peer.connect(("127.0.0.1", self.start.port))
        return peer

    def _hears(self):
        """Whether signals do not end it any more."""
        with contextlib.suppress(FileNotFoundError):
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
                masks = dict(line.split(":", 1) for line in status)
            return int(masks["SigBlk"], 16) & 1 << (signal.SIGUSR1 - 1)
        return False

    def _hopeless(self):
        """Whether there is nothing to wait for: it has ended, or has said why it does not serve."""
        if self.process.poll() is not None:
            return True
        if self.patient:
            return False
        if self._hears():
            self.process.send_signal(signal.SIGUSR1)
        return any(TOLD.search(line) or COUNTED.search(line) for line in list(self.lines.all))

    def _converse(self, peer, data, sent=0, deaf=False):
        """Sends data; returns what came back until it was all or the connection ended. sent: bytes that are on their
        way already; deaf: reads only when nothing more can be sent."""
        poll, answer = select.poll(), bytearray()
        deadline = time.monotonic() + harness.DEADLINE
        peer.setblocking(False)
        while len(answer) < len(data):
            poll.register(peer, (select.POLLOUT if sent < len(data) else 0) | (0 if deaf else select.POLLIN))
            ready = poll.poll(0 if deaf else 100)
            if ready and ready[0][1] & select.POLLOUT:
                sent += peer.send(data[sent:sent + 65536])
            elif ready:
                part = peer.recv(65536)
                if not part:
                    break
                answer += part
            elif deaf:
                deaf = False
            elif self._hopeless():
                break
            elif time.monotonic() > deadline:
                self.wrong.append(f"{len(data) - len(answer)} of {len(data)} bytes did not come back")
                raise Gone
            elif peer.type == socket.SOCK_DGRAM:
                sent = 0  # datagrams may be lost
        if not data.startswith(answer):
            self.wrong.append("other bytes came back")
        return answer

    def _read_counters(self):
        """Whether the stats socket gives all of them. The end of file is left out: a close that fails does not come."""
        text = b""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(0.1)
            client.connect(STATS)
            while not re.search(rb"\nechod_log_lines_lost_total \d+\n$", text):
                part = client.recv(65536)
                if not part:
                    return False
                text += part
        return True

    def _exchange(self, kind, data=None):
        """Tries until it is served, unless there is no hope."""
        deadline = time.monotonic() + harness.DEADLINE
        for attempt in itertools.count():
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                if self._read_counters() if kind == "stats" else \
                        self._converse(stack.enter_context(self._connect(kind)), data) == data:
                    self.served[kind] += 1
                    return
            if self.process.poll() is not None:
                raise Gone
            if attempt >= ATTEMPTS and self._hopeless():
                return
            if time.monotonic() > deadline:
                self.wrong.append(f"{kind}: nothing is served, and nothing says why")
                raise Gone
            time.sleep(0.01)


class TracedLife(Life):
    """One under strace, which may let a call fail."""

    def __init__(self, start, injection=None, patient=True):
        with tempfile.NamedTemporaryFile("r", prefix="echod-torture-") as log:
            inject = ["-e", "inject=" + injection] if injection else []
            super().__init__(start, ["strace", "-D", "-q", "-s0", "-o", log.name, *inject], patient)
            harness.wait_until(lambda: log.seek(0) == 0 and log.read().endswith("+++\n"), "the end of strace's log")
            log.seek(0)
            text = log.read().splitlines()
        self.calls, places, linking = [], collections.Counter(), True
        for line in text:
            if match := CALL.match(line):
                places[match[1]] += 1
                call = Call(*match.groups(), places[match[1]])
                linking = linking and not line.startswith(MAIN)
                if not linking:
                    self.calls.append(call)
                linking = linking or (call.name, call.result) == ("execve", "0")
        self.signals = sum(line.startswith("--- ") for line in text)
        self.injected = sum("(INJECTED)" in line for line in text)


def left_open(calls):
    """The descriptors that were opened and not closed. Linux closes one even if it says that it did not."""
    left = {}
    for call in calls:
        if call.name in OPENS and call.result.isdigit():
            left[call.result] = f"{call.name}({call.arguments})"
        elif call.name == "close":
            left.pop(call.arguments, None)
        elif call.name == "execve" and call.result == "0":
            left = {number: opened for number, opened in left.items() if "CLOEXEC" not in opened}
    return list(left.values())


def work(life):
    """How many calls there is a reason for, generously."""
    done = [call for call in life.calls if call.result.isdigit()]
    waits = sum(call.name == "epoll_wait" and call.result == "0" and int(call.arguments.rsplit(" ", 1)[1]) >= 10
                for call in done)
    peers = sum(call.name == "accept4" for call in done)
    datagrams = sum(call.name == "recvmmsg" for call in done)
    reloads = sum(call.name == "execve" for call in done)
    return 300 + 200 * reloads + 8 * waits + 12 * life.signals + 20 * peers + 5 * datagrams


def judge(life, error, for_ever):
    """What is wrong with how it lived with this error."""
    wrong = list(life.wrong)
    complaints = [line for line in life.said if line.startswith("echod: ")]
    if life.status == 0:
        told = for_ever and any(TOLD.search(line) or COUNTED.search(line) for line in life.said)
        if life.served != SERVED and not told:
            wrong.append(f"not served, and nothing says why: {dict(life.served)}")
    elif life.status not in (EXIT_RUNTIME, EXIT_PRIVILEGE):
        wrong.append(f"exit status {life.status}")
    elif len(complaints) != 1 or not (os.strerror(error) in complaints[0] or OTHER_WORDS.search(complaints[0])):
        wrong.append(f"exit status {life.status}, and it says {complaints}")
    elif life.status == EXIT_PRIVILEGE and error not in (errno.EACCES, errno.EPERM):
        wrong.append("exit status 4, which is for a lack of privilege")
    return wrong


def judge_calls(life, error, for_ever):
    """The same, of a life whose calls are known."""
    wrong = judge(life, error, for_ever)
    given_up = any(GIVEN_UP.search(line) for line in life.said)
    if not given_up and (left := left_open(life.calls)):
        wrong.append(f"left open: {left}")
    if len(life.calls) > work(life):
        wrong.append(f"{len(life.calls)} calls, for {work(life)} there is a reason")
    return wrong
