"""Every system call that the daemon makes fails: once, and from then on; with each errno of its man page. Release only.

Which calls there are, and how often, is seen in a life without failures: a new one is tortured without being named here.
What must come of it: clients are served, or a line of the log says what failed, and at the end the daemon ends as asked;
never a crash, a hang, or a loop that turns for nothing.
"""
import collections
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import harness

LONG = os.environ.get("ECHOD_LONG") == "1"
MAIN_BEGINS = "rt_sigaction(SIGPIPE"
CALL = re.compile(r"^\d+\s+(\w+)\(")
PORT = 50007
PLACES = 4  # in a life where a call fails, in the short run
TRIES = 10  # of a client that is not served
PATIENCE = 0.2  # seconds that a client waits before it tries again
CALLS_A_SECOND = 400  # more is a loop that turns for nothing: a life makes some 150 in all

# Those that a man page lists and a kernel can give to a program without mistakes. What is not listed is tried with OTHER.
ERRORS = {
    "accept4": "EAGAIN ECONNABORTED EINTR EMFILE ENFILE ENOBUFS ENOMEM EPROTO EPERM ENETDOWN EHOSTUNREACH",
    "bind": "EACCES EADDRINUSE EADDRNOTAVAIL ENOMEM",
    "brk": "ENOMEM",
    "close": "EINTR EIO",
    "epoll_create1": "EMFILE ENFILE ENOMEM",
    "epoll_ctl": "ENOMEM ENOSPC",
    "epoll_wait": "EINTR",
    "epoll_pwait": "EINTR",
    "eventfd2": "EMFILE ENFILE ENODEV ENOMEM",
    "fcntl": "EAGAIN EINTR ENOMEM",
    "futex": "EAGAIN EINTR",
    "getpeername": "ENOBUFS ENOTCONN",
    "getrandom": "EINTR ENOSYS",
    "getsockname": "ENOBUFS",
    "getsockopt": "ENOMEM ENOPROTOOPT",
    "io_uring_enter": "EAGAIN EBUSY EINTR ENOMEM",
    "io_uring_register": "EACCES EINVAL ENOMEM",
    "io_uring_setup": "EMFILE ENFILE ENOMEM ENOSYS EPERM",
    "listen": "EADDRINUSE",
    "madvise": "EAGAIN ENOMEM",
    "mmap": "EAGAIN ENOMEM",
    "mprotect": "ENOMEM",
    "munmap": "ENOMEM",
    "openat": "EACCES EINTR EMFILE ENFILE ENOENT ENOMEM",
    "open": "EACCES EINTR EMFILE ENFILE ENOENT ENOMEM",
    "prlimit64": "EPERM",
    "read": "EAGAIN EINTR EIO",
    "recvfrom": "EAGAIN ECONNRESET EINTR ENOMEM ETIMEDOUT",
    "recvmmsg": "EAGAIN ECONNREFUSED EINTR ENOMEM",
    "sendmmsg": "EAGAIN ECONNREFUSED EINTR EMSGSIZE ENOBUFS ENOMEM EPERM",
    "sendto": "EAGAIN ECONNRESET EINTR EMSGSIZE ENOBUFS ENOMEM EPERM EPIPE",
    "setsockopt": "ENOBUFS ENOMEM ENOPROTOOPT EPERM",
    "socket": "EACCES EAFNOSUPPORT EMFILE ENFILE ENOBUFS ENOMEM",
    "write": "EAGAIN EINTR EIO ENOSPC EPIPE",
}
OTHER = "EINVAL ENOMEM"
# They cannot fail as they are called.
SPARED = {"exit_group", "getpid", "gettid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn"}
# A kernel that goes on like this contradicts itself: these say "come back", or end what they are about.
NEVER_FOR_EVER = {"EAGAIN", "EINTR", "ECONNABORTED", "ECONNREFUSED", "EHOSTUNREACH", "ENETDOWN", "EPROTO"}
# Calls beyond these are about the eventfd through which libev hears of signals: without it nobody could stop the daemon.
KERNEL_KEEPS_ITS_WORD = {"epoll_ctl": 2, "write": 2}
# What the log says of what failed for ever.
ERROR_SHOWN = re.compile(r"(?m)^echod: |^PAUSE: |reason=(error|reset|timeout)|udp_failed_\w*=[1-9]")


class Life:
    """From the start to SIGTERM, with echoes over TCP and UDP, under strace with these injections."""

    def __init__(self, options, *inject):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as stderr:
            log = os.path.join(scratch, "calls")
            self.process = subprocess.Popen(
                ["strace", "-D", "-f", "-qq", "-s0", "-o", log, *inject, harness.ECHOD, "--log-connections", *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
            try:
                harness.wait_until(lambda: self._ended() or self._listens(), "the start or its end")
                self.served = [self._is_served(kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
                if not self._ended():
                    self.process.send_signal(signal.SIGUSR1)
                    self.process.send_signal(signal.SIGTERM)
                self.status = self.process.wait(harness.DEADLINE)
            finally:
                self.process.kill()
                self.process.wait()
            self.seconds = time.monotonic() - began
            stderr.seek(0)
            self.lines = stderr.read().decode()
            with open(log, encoding="utf-8", errors="replace") as file:
                self.calls = file.read().splitlines()

    def _ended(self):
        return self.process.poll() is not None

    @staticmethod
    def _listens():
        """The last socket is bound, and the others before it (this network is the test's own)."""
        with open("/proc/net/udp6", encoding="ascii") as udp6, open("/proc/net/udp", encoding="ascii") as udp:
            return f":{PORT:04X} " in udp6.read() + udp.read()

    def _is_served(self, kind):
        return any(not self._ended() and self._try(kind) for _ in range(TRIES))

    @staticmethod
    def _try(kind):
        with socket.socket(socket.AF_INET, kind) as peer:
            peer.settimeout(PATIENCE)
            try:
                peer.connect(("127.0.0.1", PORT))
                peer.send(b"echo")
                return peer.recv(10) == b"echo"
            except OSError:
                time.sleep(PATIENCE / 4)
                return False


def calls_of(options):
    """{name: (how many before main, how many in it)}"""
    before, after = collections.Counter(), collections.Counter()
    counter = before
    for line in Life(options).calls:
        if MAIN_BEGINS in line:
            counter = after
        match = CALL.match(line)
        if match:
            counter[match.group(1)] += 1
    return {name: (before[name], count) for name, count in after.items() if name not in SPARED}


class Torture(unittest.TestCase):
    lives = 0

    def setUp(self):
        harness.require(shutil.which("strace"), "strace is not installed")

    def live(self, options, name, error, when):
        for_ever = when.endswith("+")
        with self.subTest(call=name, error=error, when=when, options=options):
            life = Life(options, f"--trace={name}", f"--inject={name}:error={error}:when={when}")
            if not any("(INJECTED)" in line for line in life.calls):
                return  # that often it was not called this time
            self.lives += 1
            told = f"status {life.status}, served {life.served}\n{life.lines}"
            self.assertLess(len(life.calls), 100 + CALLS_A_SECOND * life.seconds, told)
            if life.status != 0:
                self.assertIn(life.status, (1, 4), told)
                if (name, for_ever) != ("write", True):
                    self.assertRegex(life.lines, r"(?m)^echod: ", told)
            elif for_ever and not all(life.served):
                self.assertTrue(ERROR_SHOWN.search(life.lines), told)
            else:
                self.assertEqual(life.served, [True, True], told)

    def torture(self, *options):
        for name, (before, count) in sorted(calls_of(options).items()):
            count = min(count, KERNEL_KEEPS_ITS_WORD.get(name, count))
            errors = ERRORS.get(name, OTHER).split()
            places = range(1, count + 1) if LONG else range(1, min(count, PLACES) + 1)
            for place in places:
                for number, error in enumerate(errors):
                    if LONG or place == 1 or number == place % len(errors):
                        self.live(options, name, error, f"{before + place}")
                        if error not in NEVER_FOR_EVER and name not in KERNEL_KEEPS_ITS_WORD:
                            self.live(options, name, error, f"{before + place}+")
        print(f"{self.lives} lives", flush=True)
        self.assertGreater(self.lives, 100)

    def test_direct(self):
        self.torture("--io=direct")

    def test_in_batches(self):
        self.torture("--io=auto")


def setUpModule():
    harness.own_network()


if __name__ == "__main__":
    harness.main()
