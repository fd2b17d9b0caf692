"""A connection that waits too long is closed, never too early, and no other is.

Only the lower bound of a time is ever judged. A peer that must survive is judged only by the gaps that
this process itself has left, so that a machine that stands still for a while fails no test.
"""
import re
import time
import unittest

import harness
from peers import connect, echo, ending, fill, stall


def seconds(line):
    return float(re.search(r" duration_s=([\d.]+)", line).group(1))


class Pulse:
    """A peer that keeps echoing, and knows the longest time that it was silent."""

    def __init__(self, port):
        self.peer = connect(port)
        self.last = time.monotonic()
        self.longest = 0.0

    def beat(self):
        answer = echo(self.peer, b"beat")
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        return answer == b"beat"


class Timeouts(unittest.TestCase):
    def beat_until(self, pulse, condition, what, limit):
        """Beats until condition() holds; a lost beat counts unless this process was slow itself."""

        def step():
            try:
                self.assertTrue(pulse.beat())
            except (ConnectionError, AssertionError):
                now = time.monotonic()
                harness.require(max(pulse.longest, now - pulse.last) < limit, "the machine stood still")
                raise
            return condition()

        harness.wait_until(step, what)

    def beat_for(self, pulse, time_s):
        end = time.monotonic() + time_s
        self.beat_until(pulse, lambda: time.monotonic() > end, "the time to pass", 1.0)

    def test_idle(self):
        with harness.Daemon("--idle-timeout=1s", "--log-connections") as daemon:
            pulse, silent, once = Pulse(daemon.tcp), connect(daemon.tcp), connect(daemon.tcp)
            self.assertEqual(echo(once, b"x"), b"x")
            self.beat_until(pulse, lambda: len(daemon.lines.matching("reason=idle$")) == 2,
                            "the idle ones to be let go", 1.0)
            self.assertEqual((ending(silent), ending(once)), ("fin", "fin"))
            for line in daemon.lines.matching("reason=idle$"):
                self.assertGreaterEqual(seconds(line), 1.0)
            self.assertTrue(pulse.beat())
            for peer in (pulse.peer, silent, once):
                peer.close()

    def test_without_idle_timeout_nobody_is_let_go(self):
        """The stall timeout, which is short here, has nothing to say about the idle."""
        with harness.Daemon("--stall-timeout=500ms", "--idle-timeout-full=500ms",
                            "--log-connections") as daemon:
            with connect(daemon.tcp) as idle, connect(daemon.tcp, receive_buffer=4096) as stuck:
                self.assertEqual(echo(idle, b"x"), b"x")
                fill(stuck, 16 << 20)
                daemon.lines.wait("reason=stalled$")
                self.assertEqual(echo(idle, b"y"), b"y")
                self.assertEqual(ending(stuck), "reset")

    def test_stalled(self):
        with harness.Daemon("--stall-timeout=1s", "--log-connections") as daemon:
            stuck = connect(daemon.tcp, receive_buffer=4096)
            stall(daemon, stuck)
            pulse = Pulse(daemon.tcp)
            self.beat_until(pulse, lambda: daemon.lines.matching("reason=stalled$"),
                            "the stalled one to be let go", 1.0)
            self.assertGreaterEqual(seconds(daemon.lines.matching("reason=stalled$")[0]), 1.0)
            self.assertEqual(ending(stuck), "reset")
            pulse.peer.close()
            stuck.close()

    def test_slow_is_not_stalled(self):
        """A peer that reads a little now and then takes its bytes, however few."""
        with harness.Daemon("--stall-timeout=2s", "--log-connections") as daemon:
            slow, stuck = connect(daemon.tcp, receive_buffer=4096), connect(daemon.tcp, receive_buffer=4096)
            fill(slow, 16 << 20)
            fill(stuck, 16 << 20)
            last, longest = time.monotonic(), 0.0

            def sip():
                nonlocal last, longest
                try:
                    slow.recv(16384)
                except ConnectionResetError:
                    harness.require(longest < 1.0, "the machine stood still")
                    raise
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
                return daemon.lines.matching("reason=stalled$")

            harness.wait_until(sip, "the stalled one to be let go")
            self.assertEqual(ending(stuck), "reset")
            self.assertEqual(daemon.stats()["tcp_open"], 1)
            slow.close()

    def test_when_full_the_one_idle_longest_gives_way(self):
        with harness.Daemon("--max-connections=3", "--idle-timeout-full=1s",
                            "--log-connections") as daemon:
            pulse = Pulse(daemon.tcp)
            first, second = connect(daemon.tcp), connect(daemon.tcp)
            self.assertEqual(echo(second, b"x"), b"x")
            self.assertEqual(echo(first, b"x"), b"x")
            # second becomes the older one, by more than any clock's grain, and both may give way
            self.beat_for(pulse, 0.5)
            self.assertEqual(echo(first, b"x"), b"x")
            self.beat_for(pulse, 2.0)
            newcomer = connect(daemon.tcp)
            newcomer.sendall(b"in")
            self.beat_until(pulse, lambda: daemon.lines.matching("reason=full$"), "one to give way", 1.0)
            self.assertEqual(newcomer.recv(10), b"in")
            self.assertEqual(ending(second), "fin")
            line = daemon.lines.matching("reason=full$")[0]
            self.assertIn("from=127.0.0.1:%d " % second.getsockname()[1], line)
            self.assertGreaterEqual(seconds(line), 1.0)
            for peer in (pulse.peer, first, second, newcomer):
                peer.close()

    def test_when_not_full_nobody_gives_way(self):
        with harness.Daemon("--max-connections=3", "--idle-timeout-full=100ms", "--idle-timeout=2s",
                            "--log-connections") as daemon:
            with connect(daemon.tcp) as first, connect(daemon.tcp) as second:
                self.assertEqual((ending(first), ending(second)), ("fin", "fin"))
            reasons = daemon.lines.wait("^EXIT: ", 2)
            self.assertTrue(all(line.endswith("reason=idle") for line in reasons), reasons)


if __name__ == "__main__":
    harness.main()
