# ctest: seconds=60 unfiltered
"""Two ends of the daemon that only a refused system call brings about (strace). test_torture.py goes through all of them,
but takes minutes and the release build."""
import os
import shutil
import unittest

import harness


def setUpModule():
    harness.require(shutil.which("strace"), "strace is not installed")


def run(injection):
    wrapper = ("strace", "-D", "-qq", "-o", "/dev/null", "-e", "inject=" + injection)
    no_leaks = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")  # LeakSanitizer cannot work in a traced process
    return harness.run_daemon("--port=0", "--udp=off", wrapper=wrapper, env=no_leaks)


class Ends(unittest.TestCase):
    def test_an_address_that_a_sandbox_forbids(self):
        """As seccomp(2) does, or a security module."""
        status, lines = run("bind:error=EPERM")
        self.assertEqual((status, len(lines)), (4, 1), lines)
        self.assertRegex(lines[0], r"^echod: listen on \S+ over TCP: Operation not permitted$")

    def test_who_cannot_be_told_to_stop_does_not_go_on(self):
        """epoll takes the listener, and refuses the signals."""
        status, lines = run("epoll_ctl:error=ENOSPC:when=2")
        self.assertEqual(status, 1, lines)
        self.assertEqual(lines[-1], "echod: signals: epoll does not take their descriptor")


if __name__ == "__main__":
    harness.main()
