"""Starts the daemon for a test, watches it, and stops it.

Every test file is a program that ctest runs with ECHOD (the daemon's path) and ECHOD_BUILD (release or
debug) in the environment. Tests wait for conditions, never for time; DEADLINE only ends a test that
has already failed.
"""
import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import unittest

import proc

ECHOD = os.environ.get("ECHOD", "")
RELEASE = os.environ.get("ECHOD_BUILD") == "release"
COVERAGE = os.environ.get("ECHOD_BUILD") == "coverage"
DEADLINE = 60  # seconds
ALL_SKIPPED = 77  # the exit status that ctest takes as "skipped"

LISTEN = re.compile(r"LISTEN: proto=(\w+) address=\S*?(?::(\d+))?$")
TROUBLE = re.compile(r"Sanitizer|runtime error:|SUMMARY:|[Aa]ssert|^ERROR")
SANITIZER_STATUS = 86  # none of the daemon's own


def require(condition, reason):
    """Skips a test that cannot run here; where nothing may be skipped, it fails."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        raise AssertionError("cannot run here: " + reason)
    print("SKIP: " + reason, flush=True)
    raise unittest.SkipTest(reason)


def require_files(count):
    """Raises the limit on open files as far as it goes; the test needs count of them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    require(hard == resource.RLIM_INFINITY or hard >= count, f"{count} open files, allowed: {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(count, min(hard, 20000)), hard))


def own_network(*addresses):
    """Moves this process into a network of its own, with these addresses (A/BITS) on its loopback."""
    new_user, new_network = 0x10000000, 0x40000000  # sched.h
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    done = libc.unshare(new_network | (new_user if user else 0)) == 0
    require(done, "no network namespace: " + os.strerror(ctypes.get_errno()))
    if user:  # root in there, or programs lose the privilege over the network when they are executed
        for name, value in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(value)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in addresses:
        extra = ["nodad"] if ":" in address else []
        subprocess.run(["ip", "address", "add", address, "dev", "lo", *extra], check=True)


def wait_until(condition, what, deadline=DEADLINE):
    """Returns the first true answer of condition(); fails after the deadline."""
    end = time.monotonic() + deadline
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s in vain for {what}")
        time.sleep(0.005)


class Lines:
    """Collects the lines that come out of a pipe."""

    def __init__(self, pipe):
        self.all = []
        self.finished = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self.thread.start()

    def _read(self, pipe):
        with pipe:
            for line in pipe:
                with self.changed:
                    self.all.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                    self.changed.notify_all()
        with self.changed:
            self.finished = True
            self.changed.notify_all()

    def matching(self, pattern, start=0):
        with self.changed:
            return [line for line in self.all[start:] if re.search(pattern, line)]

    def wait(self, pattern, count=1, start=0):
        """Returns the matching lines from number start on, once there are count of them."""
        found = []

        def enough():
            found[:] = [line for line in self.all[start:] if re.search(pattern, line)]
            return len(found) >= count or self.finished

        with self.changed:
            self.changed.wait_for(enough, DEADLINE)
            if len(found) < count:
                raise AssertionError(f"no {count} lines with {pattern!r} in:\n" + "\n".join(self.all[-20:]))
        return found


class Daemon:
    """The daemon, running. A context manager: stopped and checked at the end.

    options   for echod; --port=0 is added unless a port or address is among them, and a short
              --drain-timeout, because the tests' own connections are often open at the end
    wrapper   a command that executes the daemon, itself keeping the process (prlimit, strace -D)
    stderr    where it goes instead of to self.lines
    listens   how many LISTEN lines to wait for; 0 with stderr elsewhere
    popen     further arguments for Popen (env, pass_fds, preexec_fn, close_fds)
    """

    def __init__(self, *options, wrapper=(), stderr=None, listens=None, env=None, **popen):
        own = any(option.startswith(("--listen", "--port")) for option in options)
        handed = "pass_fds" in popen
        options = list(options) if own or handed else ["--port=0", *options]
        if not any(option.startswith("--drain-timeout") for option in options):
            options.append("--drain-timeout=100ms")
        if listens is None:
            protocols = 2 - ("--tcp=off" in options) - ("--udp=off" in options)
            addresses = sum(option.startswith("--listen") for option in options) or 1
            listens = protocols * addresses
        environment = dict(os.environ, **(env or {}))
        environment["ASAN_OPTIONS"] = ":".join(
            filter(None, [f"exitcode={SANITIZER_STATUS}", environment.get("ASAN_OPTIONS")]))
        self.process = subprocess.Popen(
            [*wrapper, ECHOD, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if stderr is None else stderr, env=environment, **popen)
        self.pid = self.process.pid
        self.ports = {}
        self.lines = Lines(self.process.stderr) if stderr is None else None
        try:
            if self.lines:
                for line in self.lines.wait(LISTEN, listens) if listens else []:
                    protocol, port = LISTEN.search(line).groups()
                    if port:
                        self.ports.setdefault(protocol, int(port))
            self._wait_for_handlers()
        except BaseException:
            self.kill()
            raise

    @property
    def tcp(self):
        return self.ports["tcp"]

    @property
    def udp(self):
        return self.ports["udp"]

    def _wait_for_handlers(self):
        wanted = sum(1 << (number - 1) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP))

        def handled():
            if self.process.poll() is not None:
                raise AssertionError(f"ended at once with {self.process.returncode}: {self.text()}")
            with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
                masks = dict(line.split(":", 1) for line in status)
            caught = int(masks["SigCgt"], 16) | int(masks["SigBlk"], 16)
            return caught & wanted == wanted

        wait_until(handled, "the daemon's signal handlers")

    def text(self):
        return "\n".join(self.lines.all) if self.lines else ""

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        """Stops it (SIGCONT lets it go on), and returns when it stands still."""
        def stands_still():
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
                fields = dict(line.split(":", 1) for line in status)
            return fields["State"].split()[0] in "Tt" and not proc.is_pending(self.process.pid, signal.SIGSTOP)

        self.signal(signal.SIGSTOP)
        wait_until(stands_still, "the daemon to stand still")

    def stats(self):
        """Asks for a STATS line and returns its numbers by name."""
        with self.lines.changed:
            start = len(self.lines.all)
        self.signal(signal.SIGUSR1)
        line = self.lines.wait("STATS: ", start=start)[0]
        pairs = re.findall(r"(\w+)=(\d+)(?=\s|$)", line)
        return {name: int(value) for name, value in pairs}

    def wait_stats(self, condition, what):
        """Asks until condition(numbers) holds; returns the numbers."""
        last = {}

        def holds():
            last.update(self.stats())
            return condition(last)

        try:
            wait_until(holds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; last: {last}") from None
        return last

    def wait_exit(self):
        """Waits for the end of the process and returns its exit status; checks what it said."""
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the daemon did not end:\n" + self.text()) from None
        if self.lines:
            self.lines.thread.join(DEADLINE)
            trouble = [line for line in self.lines.all if TROUBLE.search(line)]
            if trouble or status == SANITIZER_STATUS:
                raise AssertionError("the daemon's stderr:\n" + self.text())
        return status

    def stop(self):
        """SIGTERM, and a clean end."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        status = self.wait_exit()
        if status != 0:
            raise AssertionError(f"exit status {status}:\n{self.text()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            if self.process.returncode is None:
                self.stop()
        else:
            self.kill()
            print(f"--- stderr of echod, exit status {self.process.returncode} ---\n"
                  + "\n".join((self.lines.all if self.lines else [])[-40:]), file=sys.stderr)


def run_daemon(*options, wrapper=(), **popen):
    """Runs a daemon that is expected to end on its own; returns (exit status, lines of stderr)."""
    done = subprocess.run([*wrapper, ECHOD, *options], stdin=subprocess.DEVNULL, timeout=DEADLINE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **popen)
    return done.returncode, done.stderr.decode("utf-8", "backslashreplace").splitlines()


def main():
    """The main of each test file."""
    # a failed test leaves its sockets to the collector, which would have a lot to say about it
    program = unittest.main(exit=False, verbosity=2, warnings="ignore")
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(ALL_SKIPPED if result.testsRun and len(result.skipped) == result.testsRun else 0)
