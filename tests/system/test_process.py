# ctest: seconds=600 root
"""What happens to the process: it is stopped, signals rain on it, its standard files are missing."""
import contextlib
import itertools
import os
import re
import signal
import subprocess
import time
import unittest

import harness
import proc
from hostile import LONG, Bystanders
from peers import ask, connect, converse, datagram_peer, echo, ending, fill, payload, receive, receive_all

HARMLESS = (signal.SIGUSR1, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGWINCH,
            signal.SIGURG, signal.SIGCONT)


def setUpModule():
    harness.own_network()


class Stopped(unittest.TestCase):
    def test_who_came_or_sent_meanwhile_is_served(self):
        """The timeouts are shorter than the pause, in which no connection could have been served."""
        limit, pause = (30, 65) if LONG else (4, 6)
        options = (f"--idle-timeout={limit}s", f"--stall-timeout={limit}s", f"--idle-timeout-full={limit}s",
                   "--max-connections=40", "--log-connections")
        with harness.Daemon(*options) as daemon, datagram_peer(daemon.udp) as asker:
            late = connect(daemon.tcp, receive_buffer=4096)
            owed = fill(late, 16 << 20)
            here = [connect(daemon.tcp) for _ in range(20)]
            begin = before = time.monotonic()
            while before < begin + 0.5:  # the sweep is at work meanwhile
                before = time.monotonic()
                for peer in here:
                    self.assertEqual(echo(peer, b"before"), b"before")
            daemon.freeze()
            stopped = time.monotonic()
            harness.require(stopped - before < limit / 2, "the machine stood still")
            newcomers = [connect(daemon.tcp) for _ in range(30)]  # more than there is room for
            for number, peer in enumerate(here + newcomers):
                peer.sendall(b"%04d" % number)
            for number in range(100):
                asker.send(b"%04d" % number)
            # a peer that took nothing until now takes all that the kernel has for it
            late.setblocking(False)
            taken = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    taken += len(late.recv(1 << 20))
            late.settimeout(harness.DEADLINE)
            self.assertGreater(taken, 0)
            time.sleep(max(0, stopped + pause - time.monotonic()))
            daemon.signal(signal.SIGCONT)
            late.shutdown(1)
            self.assertEqual(receive_all(late), bytes(owed - taken))
            late.close()
            for number, peer in enumerate(here):
                self.assertEqual(receive(peer, 4), b"%04d" % number)
                peer.shutdown(1)
                self.assertEqual(ending(peer), "fin")
                peer.close()
            for number, peer in enumerate(newcomers, len(here)):
                self.assertEqual(receive(peer, 4), b"%04d" % number)
                peer.close()
            for number in range(100):
                self.assertEqual(asker.recv(100), b"%04d" % number)
            numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
            self.assertEqual(numbers["tcp_closed_eof"], 51, daemon.text())


class Storms(unittest.TestCase):
    def rain(self, process, count, drops):
        """A process that sends count signals, to this daemon alone: a pid may be another process's by then."""
        program = "import signal, sys; process, count, *drops = map(int, sys.argv[1:])\n" \
                  "for number in range(count): signal.pidfd_send_signal(process, drops[number % len(drops)])"
        numbers = [str(int(number)) for number in (process, count, *drops)]
        return subprocess.Popen(["/usr/bin/python3", "-c", program, *numbers], pass_fds=[process])

    def weather(self, daemon, count):
        """The storm, with stops in it; and all the while connections are served."""
        process = os.pidfd_open(daemon.pid)
        self.addCleanup(os.close, process)
        storms = [self.rain(process, count, drops) for drops in
                  (HARMLESS, reversed(HARMLESS), (signal.SIGUSR1, signal.SIGSTOP, signal.SIGCONT))]
        port, udp = proc.bound_port(daemon.pid, "tcp"), proc.bound_port(daemon.pid, "udp")
        with Bystanders(port, connections=20, rate=2000), datagram_peer(udp) as asker:
            for number in itertools.count():
                data = payload(300000, number)
                with connect(port) as peer:
                    self.assertTrue(converse(peer, data) == data, "other bytes came back")
                self.assertEqual(ask(asker, b"%d" % number), b"%d" % number)
                if all(storm.poll() is not None for storm in storms):
                    break
            daemon.signal(signal.SIGCONT)
        self.assertEqual([storm.wait() for storm in storms], [0, 0, 0])

    def test_of_all_that_are_harmless(self):
        with harness.Daemon() as daemon:
            self.weather(daemon, 1000000 if LONG else 10000)
            unknown = [line for line in daemon.lines.all if not re.match(r"(IO|LISTEN|STATS|RELOAD): ", line)]
            self.assertEqual(unknown, [])

    def test_with_a_log_that_nobody_reads(self):
        """Each SIGUSR1 asks for a line, and there is no room for one."""
        reader, writer = os.pipe()
        with harness.Daemon(stderr=writer) as daemon:
            os.close(writer)
            self.weather(daemon, 300000 if LONG else 4000)
        os.close(reader)

    def test_until_the_very_end(self):
        """Whatever comes while it ends, it ends well."""
        for number in range(500 if LONG else 30):
            with harness.Daemon("--drain-timeout=1h") as daemon, connect(daemon.tcp) as peer:
                self.assertEqual(echo(peer, b"x"), b"x")
                daemon.signal(signal.SIGTERM)
                if number % 2:
                    daemon.signal(signal.SIGINT)
                else:
                    peer.close()
                drops = 0
                while daemon.process.poll() is None:
                    daemon.signal((signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT)[drops % 4])
                    drops += 1
                self.assertEqual(daemon.wait_exit(), 0)


class StandardFiles(unittest.TestCase):
    def test_any_of_them_may_be_missing(self):
        for missing in itertools.chain(*(itertools.combinations((0, 1, 2), n) for n in (1, 2, 3))):
            close = " ".join(f"{number}>&-" for number in missing)
            wrapper = ["/bin/sh", "-c", f'exec "$@" {close}', "sh"]
            with self.subTest(missing=missing), \
                    harness.Daemon("--log-connections", wrapper=wrapper, stderr=subprocess.DEVNULL) as daemon:
                port = harness.wait_until(lambda: proc.bound_port(daemon.pid, "tcp"), "the listening socket")
                with connect(port) as peer, connect(port) as other:
                    for number in range(20):
                        daemon.signal(signal.SIGUSR1)  # asks for a line in the log
                        data = payload(1000, number)
                        self.assertEqual(echo(peer, data), data)
                    other.shutdown(1)
                    self.assertEqual(receive_all(other), b"")  # and none of its EXIT line
                    for number in range(3):
                        self.assertEqual(os.readlink(f"/proc/{daemon.pid}/fd/{number}"), "/dev/null")

    def test_none_is_needed_that_is_there(self):
        """In a root directory without /dev/null."""
        harness.require(os.geteuid() == 0, "only root may mount")
        wrapper = ["unshare", "--mount", "/bin/sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh"]
        with harness.Daemon(wrapper=wrapper) as daemon, connect(daemon.tcp) as peer:
            self.assertEqual(echo(peer, b"x"), b"x")

    def test_neither_is_there(self):
        """Their numbers go to sockets that no peer will ever have."""
        harness.require(os.geteuid() == 0, "only root may mount")
        wrapper = ["unshare", "--mount", "/bin/sh", "-c",
                   'mount -t tmpfs none /dev && exec "$@" <&- >&- 2>&-', "sh"]
        with harness.Daemon("--log-connections", wrapper=wrapper, stderr=subprocess.DEVNULL) as daemon:
            port = harness.wait_until(lambda: proc.bound_port(daemon.pid, "tcp"), "the listening socket")
            with connect(port) as peer:
                self.assertEqual(echo(peer, b"x"), b"x")
            with open("/proc/net/unix", encoding="ascii") as table:
                unix = {f"socket:[{line.split()[6]}]" for line in table if "Num" not in line}
            for number in range(3):
                self.assertIn(os.readlink(f"/proc/{daemon.pid}/fd/{number}"), unix)


if __name__ == "__main__":
    harness.main()
