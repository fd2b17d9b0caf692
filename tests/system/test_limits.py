"""Limits: pending connections wait, none is refused that could be served, and nothing spins."""
import os
import resource
import shutil
import tempfile
import time
import unittest

import harness
import proc
from peers import connect, converse, echo, payload

TRACED = {"ASAN_OPTIONS": "detect_leaks=0"}  # leaks cannot be looked for under ptrace


def traced(scratch):
    """A wrapper that writes the daemon's system calls to a file; returns (wrapper, how to count them)."""
    harness.require(shutil.which("strace"), "strace is not installed")
    log = os.path.join(scratch, "calls")

    def count(word=""):
        with open(log, encoding="utf-8", errors="replace") as file:
            return sum(word in line for line in file)

    return ("strace", "-D", "-f", "-qq", "-o", log), count


class FileLimit(unittest.TestCase):
    def test_200_clients_at_a_limit_of_64_files(self):
        """Every connection is served in the end; the system calls show that waiting costs nothing."""
        clients, data = 200, payload(10000)

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        with tempfile.TemporaryDirectory() as scratch:
            wrapper, count = traced(scratch)
            with harness.Daemon(wrapper=wrapper, env=TRACED, preexec_fn=limit) as daemon:
                before = count()
                peers = [connect(daemon.tcp) for _ in range(clients)]
                numbers = daemon.wait_stats(lambda now: now["tcp_open"] > 0, "the first to be let in")
                self.assertLessEqual(numbers["tcp_open"], 32)
                for peer in peers:
                    with peer:
                        self.assertTrue(converse(peer, data) == data, "other bytes came back")
                numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
                self.assertEqual(numbers["tcp_accepted"], clients)
                self.assertLess(count() - before, clients * 15 + 1000)
                self.assertLess(len(daemon.lines.all), 100)

    def test_many_listeners_leave_the_connection_limit_true(self):
        """More sockets than the soft limit allows; and when all are taken a connection is evicted, as with few."""
        addresses = [f"--listen=127.0.0.{number}" for number in range(1, 41)]

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))

        with harness.Daemon(*addresses, "--port=0", "--idle-timeout-full=100ms",
                            preexec_fn=limit) as daemon:
            peers = [connect(daemon.tcp, "127.0.0.40") for _ in range(256)]
            for peer in peers:
                self.assertEqual(echo(peer, b"x"), b"x")
            numbers = daemon.stats()
            self.assertEqual(numbers["tcp_accept_pauses"], 0)
            self.assertGreater(numbers["tcp_closed_full"], 0)
            for peer in peers:
                peer.close()

    def test_no_room_at_all_is_an_error_and_less_than_asked_a_warning(self):
        def limit(count):
            return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

        status, lines = harness.run_daemon("--port=0", preexec_fn=limit(32))
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["echod: the limit of open files leaves no room for connections: Too many open files"])
        with harness.Daemon("--max-connections=1000", preexec_fn=limit(100)) as daemon:
            daemon.lines.wait("^LIMIT: option=max-connections wanted_connections=1000 connections=68 reason=open-files$")

    def test_out_of_files_while_running(self):
        """EMFILE pauses accepting: no spinning, no flood, and the newcomer is served later."""
        with harness.Daemon("--udp=off") as daemon:
            peers = [connect(daemon.tcp) for _ in range(10)]
            for peer in peers:
                self.assertEqual(echo(peer, b"x"), b"x")
            soft, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
            lines, started = len(daemon.lines.all), time.monotonic()
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (5, hard))
            with connect(daemon.tcp) as newcomer:
                newcomer.sendall(b"patience")
                said = daemon.lines.wait("(?i)too many open files|EMFILE|file", start=lines)
                self.assertTrue(said)
                for _ in range(1000):
                    for peer in peers:
                        self.assertEqual(echo(peer, b"y"), b"y")
                # long enough for a line at each pause to stand out
                numbers = daemon.wait_stats(lambda now: now["tcp_accept_pauses"] >= 20, "20 pauses")
                self.assertEqual(numbers["tcp_accepted"], 10)
                elapsed = time.monotonic() - started
                resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (soft, hard))
                self.assertEqual(newcomer.recv(100), b"patience")
            spoken = [line for line in daemon.lines.all[lines:] if not line.startswith("STATS")]
            self.assertLessEqual(len(spoken), elapsed + 2, "more than a line a second")
            for peer in peers:
                peer.close()

    def test_the_pause_after_running_out_is_100_ms(self):
        with tempfile.TemporaryDirectory() as scratch:
            wrapper, count = traced(scratch)
            with harness.Daemon("--udp=off", wrapper=wrapper, env=TRACED) as daemon:
                with connect(daemon.tcp) as peer:
                    self.assertEqual(echo(peer, b"x"), b"x")
                    hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)[1]
                    started = time.monotonic()
                    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (3, hard))
                    with connect(daemon.tcp) as newcomer:
                        newcomer.sendall(b"x")
                        harness.wait_until(lambda: count("EMFILE") >= 5, "five attempts")
                        elapsed = time.monotonic() - started
                        self.assertLessEqual(count("EMFILE"), elapsed / 0.1 + 2)
                        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (hard, hard))
                        self.assertEqual(newcomer.recv(1), b"x")


class Gate(unittest.TestCase):
    def turns(self, peer):
        """The daemon's loop has gone round since: whatever it would do, it has done."""
        for _ in range(5):
            self.assertEqual(echo(peer, b"turn"), b"turn")

    def test_newcomers_wait_at_the_limit_and_come_in_one_by_one(self):
        with harness.Daemon("--max-connections=3") as daemon:
            inside = [connect(daemon.tcp) for _ in range(3)]
            for peer in inside:
                self.assertEqual(echo(peer, b"x"), b"x")
            waiting = [connect(daemon.tcp) for _ in range(5)]
            for number, peer in enumerate(waiting):
                peer.sendall(b"%d" % number)
            self.turns(inside[0])
            numbers = daemon.stats()
            self.assertEqual((numbers["tcp_open"], numbers["tcp_accepted"]), (3, 3))
            for number in range(len(waiting)):
                inside.pop().close()
                self.assertEqual(waiting[number].recv(10), b"%d" % number)
                self.assertEqual(daemon.stats()["tcp_accepted"], 4 + number)
                inside.append(waiting[number])
            for peer in inside:
                peer.close()

    def test_at_the_limit_nothing_is_polled(self):
        """A closed gate makes no system call, however many wait behind it."""
        with tempfile.TemporaryDirectory() as scratch:
            wrapper, count = traced(scratch)
            with harness.Daemon("--max-connections=1", wrapper=wrapper, env=TRACED) as daemon:
                with connect(daemon.tcp) as inside:
                    self.assertEqual(echo(inside, b"x"), b"x")
                    waiting = [connect(daemon.tcp) for _ in range(20)]
                    self.turns(inside)
                    before, accepts = count(), count("accept4(")
                    for _ in range(500):
                        self.assertEqual(echo(inside, b"x"), b"x")
                    self.assertEqual(count("accept4("), accepts)
                    self.assertLess(count() - before, 500 * 3.2)
                    for peer in waiting:
                        peer.close()

    def test_accept_rate_delays_and_serves_all(self):
        """The k-th newcomer cannot have come in earlier than the rate allows; a slow machine is later."""
        rate, clients = 20, 60
        with harness.Daemon(f"--accept-rate={rate}") as daemon:
            started = time.monotonic()
            peers = [connect(daemon.tcp) for _ in range(clients)]
            for peer in peers:
                with peer:
                    self.assertEqual(echo(peer, b"x"), b"x")
            elapsed = time.monotonic() - started
            # a second's worth may come in at once
            self.assertGreaterEqual(elapsed, (clients - rate) / rate - 0.1)
            self.assertEqual(daemon.stats()["tcp_accepted"], clients)

    def test_descriptors_are_given_back(self):
        with harness.Daemon() as daemon:
            before = proc.descriptors(daemon.pid)
            for _ in range(3):
                peers = [connect(daemon.tcp) for _ in range(200)]
                for peer in peers:
                    self.assertEqual(echo(peer, b"x"), b"x")
                    peer.close()
            daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
            self.assertEqual(proc.descriptors(daemon.pid), before)


if __name__ == "__main__":
    harness.main()
