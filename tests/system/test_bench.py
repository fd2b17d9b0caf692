# ctest: uncounted unfiltered slow
"""echod-bench: what it counts is what happened."""
import json
import mmap
import os
import pty
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import DEADLINE
from liars import DatagramPeer, StreamPeer, echo_all, flip
from peers import receive, receive_all

BENCH = os.environ.get("ECHOD_BENCH", "")


def run(*arguments, wrapper=(), **popen):
    """Returns (exit status, stdout, stderr)."""
    done = subprocess.run([*wrapper, BENCH, *map(str, arguments)], stdin=subprocess.DEVNULL, timeout=DEADLINE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True, **popen)
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    def json(self, status, *arguments, host="127.0.0.1", **popen):
        done = run("--json", *arguments, host, **popen)
        self.assertEqual((done[0], done[2]), (status, ""), done)
        return json.loads(done[1])

    def counts(self, result, **expected):
        names = ("sent", "echoed", "lost", "late", "corrupted", "duplicated")
        self.assertEqual({name: result["counts"][name] for name in names},
                         dict(dict.fromkeys(names, 0), **expected), result)
        for name, part in (("sent", "sent"), ("echoed", "messages"), ("lost", "lost")):
            self.assertEqual(sum(interval[part] for interval in result["intervals"]), result["counts"][name])


class WithTheDaemon(Case):
    def test_the_daemon_counted_the_same(self):
        with harness.Daemon() as daemon:
            received = 0
            for connections, depth, size, total in ((1, 1, 1, 100), (10, 4, 64, 5000), (3, 16, 1000, 1001),
                                                    (100, 1, 64, 1000), (2, 3, 1 << 20, 50)):
                result = self.json(0, "-p", daemon.tcp, "-c", connections, "-d", depth, "-s", size, "-n", total)
                self.counts(result, sent=total, echoed=total)
                self.assertEqual(result["echo"]["count"], total)
                self.assertEqual(result["connect"]["count"], connections)
                received += total * size
                numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be closed")
                self.assertEqual(numbers["tcp_received_bytes"], received)
                self.assertEqual(numbers["tcp_sent_bytes"], received)
            for connections, depth, size, total in ((1, 1, 8, 100), (10, 4, 64, 5000), (3, 70, 1000, 1001)):
                result = self.json(0, "-u", "-p", daemon.udp, "-c", connections, "-d", depth, "-s", size, "-n", total)
                self.counts(result, sent=total, echoed=total)

    def test_an_open_loop_sends_what_is_due(self):
        with harness.Daemon() as daemon:
            for options in ((), ("-u",)):
                port = daemon.udp if options else daemon.tcp
                result = self.json(0, *options, "-p", port, "-c", 3, "-r", 20000, "-n", 4001)
                self.counts(result, sent=4001, echoed=4001)
                # the last was due 0.2 s after the first
                self.assertGreaterEqual(result["duration_s"], 0.2)

    def test_a_crowd(self):
        harness.require_files(5000)
        with harness.Daemon() as daemon:
            result = self.json(0, "-p", daemon.tcp, "-c", 2000, "-n", 10000)
            self.assertEqual(result["connections"], {"opened": 2000, "failed": 0, "broken": 0})
            self.counts(result, sent=10000, echoed=10000)
            peak = daemon.stats()
            self.assertEqual(peak["tcp_accepted"], 2000)

    def test_the_table(self):
        with harness.Daemon() as daemon:
            status, out, err = run("-p", daemon.tcp, "-c", 2, "-t", "200ms", "-w", "50ms", "--stats-pid", daemon.pid,
                                   "127.0.0.1")
            self.assertEqual((status, err), (0, ""))
            self.assertIn("127.0.0.1:%d over TCP: 2 connections, 64 bytes per message\nclosed loop: 1 in flight on each\n"
                          % daemon.tcp, out)
            self.assertLessEqual(max(map(len, out.splitlines())), 80)
            self.assertRegex(out, r"echoed +\d+ messages in 0\.[2-9]\d s: \d+ per second")
            self.assertRegex(out, r"(?m)^ +us +min +p50 +p90 +p99 +p99\.9 +max\n +connect( +\d+\.\d){6}\n +echo( +\d+\.\d){6}$")
            self.assertRegex(out, r"of \d+ sent: 0 lost, 0 corrupted, 0 duplicated")
            self.assertRegex(out, r"server \d+ % of a core, \d+\.\d\d us per message")
            self.assertRegex(out, r"\n +\d+\.\d us +#+ +\d+\n")

    def test_ipv6(self):
        with harness.Daemon() as daemon:
            for port, options in ((daemon.tcp, ()), (daemon.udp, ("-u",))):
                result = self.json(0, "-p", port, "-c", 5, "-n", 500, *options, host="::1")
                self.assertEqual(result["target"]["address"], f"[::1]:{port}")
                self.counts(result, sent=500, echoed=500)
            self.assertEqual(daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be closed")["tcp_sent_bytes"],
                             500 * 64)

    def test_the_servers_time_is_its_processes(self):
        with harness.Daemon() as daemon:
            cpu = self.json(0, "-p", daemon.tcp, "-n", 2000, "--stats-pid", daemon.pid)["cpu"]
            with open(f"/proc/{daemon.pid}/stat", encoding="ascii") as stat:
                ticks = sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))
            spent_us = ticks * 1e6 / os.sysconf("SC_CLK_TCK")
            self.assertGreater(cpu["server_s"], 0)
            self.assertLessEqual(cpu["server_s"] * 1e6, spent_us + 20000)  # two ticks

    def test_percentiles_for_plotters(self):
        with harness.Daemon() as daemon, tempfile.NamedTemporaryFile("r") as file:
            result = self.json(0, "-p", daemon.tcp, "-c", 5, "-n", 5000, "--histogram", file.name)
            lines = file.read().splitlines()
        rows = [tuple(map(float, line.split())) for line in lines if re.match(r" +\d", line)]
        self.assertEqual(lines[0].split(), ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"])
        self.assertEqual(rows, sorted(rows, key=lambda row: row[:3]))
        self.assertEqual(rows[-1][1:], (1.0, 5000.0))
        self.assertAlmostEqual(rows[-1][0], result["echo"]["max_s"] * 1000, 5)
        median = next(row[0] for row in rows if row[1] >= .5)
        self.assertAlmostEqual(median, result["echo"]["p50_s"] * 1000, 5)

    def test_interrupted_it_sums_up(self):
        with harness.Daemon() as daemon:
            for number in (signal.SIGINT, signal.SIGTERM):
                with subprocess.Popen([BENCH, "-J", "-p", str(daemon.tcp), "-t", "1h", "127.0.0.1"],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
                    before = daemon.stats()["tcp_received_bytes"]
                    daemon.wait_stats(lambda now, before=before: now["tcp_received_bytes"] > before, "messages")
                    bench.send_signal(number)
                    out, err = bench.communicate(timeout=DEADLINE)
                self.assertEqual((bench.returncode, err), (0, b""))
                result = json.loads(out)
                self.assertEqual(result["ended_by"], "interrupt")
                messages = result["counts"]
                self.assertGreater(messages["echoed"], 0)
                self.assertEqual(messages["echoed"], messages["sent"])

    def test_a_live_line_on_a_terminal(self):
        master, terminal = pty.openpty()
        with harness.Daemon() as daemon, os.fdopen(master, "rb", 0) as screen:
            with subprocess.Popen([BENCH, "-p", str(daemon.tcp), "-c", "3", "-t", "1h", "127.0.0.1"], stderr=terminal,
                                  stdout=subprocess.PIPE) as bench:
                os.close(terminal)
                shown = b""
                while not re.search(rb"\r\x1b\[K\[ {10}\] 3 connections, \d+ messages/s, [\d.]+ MB/s, "
                                    rb"p99 [\d.]+ us, 0 lost", shown):
                    shown += screen.read(1000)
                bench.send_signal(signal.SIGINT)
                self.assertIn(b"of a core", bench.communicate(timeout=DEADLINE)[0])
                self.assertEqual(bench.returncode, 0)

    def test_sources(self):
        sources = []

        def talk(connection):
            sources.append(connection.getpeername()[0])
            echo_all(connection)

        with StreamPeer(talk) as peer:
            self.json(0, "-p", peer.port, "-c", 6, "-n", 60, "--source", "127.0.9.1-127.0.9.3")
        self.assertEqual(sorted(sources), sorted(2 * ["127.0.9.1", "127.0.9.2", "127.0.9.3"]))
        with DatagramPeer(lambda number, datagram: [datagram]) as peer:
            self.json(0, "-u", "-p", peer.port, "-c", 4, "-n", 4, "--source", "127.0.9.0/30")
            self.assertEqual({host for host, _ in peer.sources}, {"127.0.9.1", "127.0.9.2"})

    @unittest.skipUnless(harness.RELEASE, "sanitizers have an allocator of their own")
    def test_nothing_is_allocated_while_messages_flow(self):
        with harness.Daemon() as daemon, tempfile.NamedTemporaryFile() as file:
            file.write(bytes(8))
            file.flush()
            environment = dict(os.environ, LD_PRELOAD=os.environ["ALLOC_COUNT_SHIM"], ALLOC_COUNT=file.name)
            with mmap.mmap(file.fileno(), 8) as shared:
                def allocations(*options):
                    shared[:8] = bytes(8)
                    result = self.json(0, "-c", 10, *options, env=environment)
                    return int.from_bytes(shared[:8], "little"), len(result["intervals"])

                for options in (("-p", daemon.tcp, "-d", 3), ("-u", "-p", daemon.udp, "-d", 3),
                                ("-p", daemon.tcp, "-r", 100000), ("-u", "-p", daemon.udp, "-r", 10000)):
                    few, short = allocations(*options, "-n", 1000)
                    self.assertGreater(few, 0, "the shim counts")
                    many, long = allocations(*options, "-n", 30000)
                    # libev's tables grow, a few times in all, with the iteration that has the most events; and
                    # each second is a row of the result
                    self.assertLessEqual(many, few + 500 * (1 + long - short))


class WithLiars(Case):
    def test_depth_is_what_is_in_flight(self):
        """The peer echoes only when all are there: fewer would wait for ever; more it would see."""
        most = []

        def talk(connection):
            while data := receive(connection, 5 * 100):
                connection.setblocking(False)
                try:
                    most.append(len(data) + len(connection.recv(1 << 16)))
                except BlockingIOError:
                    most.append(len(data))
                connection.settimeout(DEADLINE)
                connection.sendall(data)

        with StreamPeer(talk) as peer:
            self.counts(self.json(0, "-p", peer.port, "-c", 3, "-d", 5, "-s", 100, "-n", 300), sent=300, echoed=300)
            self.assertEqual(set(most), {500})

    def test_a_stall_cannot_hide_in_an_open_loop(self):
        """100 messages are due in the course of 0.99 s; the peer answers none before it has them all."""
        def talk(connection):
            connection.sendall(receive(connection, 100 * 64))
            connection.recv(1)

        with StreamPeer(talk) as peer:
            times = self.json(0, "-p", peer.port, "-r", 100, "-n", 100, "-W", "30s")["echo"]
        self.assertEqual(times["count"], 100)
        self.assertGreaterEqual(times["max_s"], .99)
        self.assertGreaterEqual(times["p50_s"], .49)

    def test_changed_bytes(self):
        def talk(connection):
            for number in range(10):
                data = receive(connection, 64)
                connection.sendall(flip(data, 63) if number in (2, 5) else data)
            connection.recv(1)

        with StreamPeer(talk) as peer:
            self.counts(self.json(1, "-p", peer.port, "-n", 10), sent=10, echoed=8, corrupted=2)

    def test_changed_bytes_among_many_in_flight(self):
        def talk(connection):
            data = receive(connection, 16 * 64)
            for number in (0, 3, 15):
                data = flip(data, number * 64 + 7)
            connection.sendall(data[:100])
            connection.sendall(data[100:])
            connection.recv(1)

        with StreamPeer(talk) as peer:
            self.counts(self.json(1, "-p", peer.port, "-n", 16, "-d", 16), sent=16, echoed=13, corrupted=3)

    def test_a_byte_that_is_missing_spoils_the_rest(self):
        def talk(connection):
            data = receive(connection, 10 * 64)
            connection.sendall(data[:3 * 64 + 5] + data[3 * 64 + 6:])
            connection.recv(1)

        with StreamPeer(talk) as peer:
            result = self.json(1, "-p", peer.port, "-n", 10, "-d", 10, "-W", "1s")
            self.counts(result, sent=10, echoed=3, corrupted=6, lost=1)

    def test_more_than_was_sent(self):
        with StreamPeer(lambda connection: connection.sendall(receive(connection, 64) + b"x")) as peer:
            result = self.json(1, "-p", peer.port, "-t", "1h")
            self.assertEqual((result["counts"]["corrupted"], result["connections"]["broken"]), (1, 1))

    def test_peers_that_leave_end_the_run(self):
        def talk(connection):
            for _ in range(5):
                connection.sendall(receive(connection, 64))
            connection.shutdown(socket.SHUT_WR)
            receive_all(connection)  # what is unread at close would make a reset of the end

        with StreamPeer(talk) as peer:
            result = self.json(1, "-p", peer.port, "-c", 3, "-t", "1h")
            self.assertEqual(result["connections"]["broken"], 3)
            self.assertEqual(result["error"], "closed by the peer")
            self.assertEqual(result["counts"]["echoed"], 15)

    def test_some_that_leave_do_not_end_the_run(self):
        first = threading.Lock()

        def talk(connection):
            if first.acquire(blocking=False):  # pylint: disable=consider-using-with
                echo_all(connection)

        with StreamPeer(talk) as peer:
            result = self.json(1, "-p", peer.port, "-c", 5, "-t", "300ms")
            self.assertEqual(result["connections"]["broken"], 4)

    def test_a_peer_that_stands_still(self):
        with StreamPeer(lambda connection: [receive(connection, 64), connection.recv(1)]) as peer:
            for end in (("-n", 10), ("-t", "100ms")):
                self.counts(self.json(1, "-p", peer.port, "-W", "300ms", *end), sent=1, lost=1)

    def test_lost_datagrams(self):
        with DatagramPeer(lambda number, datagram: [datagram] if number % 10 else []) as peer:
            for options in (("-d", 1), ("-d", 5), ("-r", 1000)):
                peer.sources.clear()
                result = self.json(1, "-u", "-p", peer.port, "-n", 50, "-W", "1s", *options)
                self.counts(result, sent=50, echoed=45, lost=5)

    def test_datagrams_of_another_length(self):
        for wrong in (lambda d: b"", lambda d: d[:7], lambda d: d[:-1], lambda d: d + b"x"):
            # bound now, for the closure of this round
            with DatagramPeer(lambda number, d, wrong=wrong: [d if number else wrong(d)]) as peer:
                result = self.json(1, "-u", "-p", peer.port, "-n", 3, "-W", "1s")
                self.counts(result, sent=3, echoed=2, lost=1, corrupted=1)

    def test_datagrams_that_come_twice_or_changed(self):
        before = []

        def answer(number, datagram):
            before.append(datagram)
            return [flip(datagram, 20) if number == 3 else datagram] + (before[-2:-1] if number == 7 else [])

        with DatagramPeer(answer) as peer:
            result = self.json(1, "-u", "-p", peer.port, "-n", 10, "-d", 2, "-W", "1s")
            self.counts(result, sent=10, echoed=9, lost=1, corrupted=1, duplicated=1)

    def test_late_datagrams(self):
        """What was given up comes back before what was sent after that."""
        held = []

        def answer(number, datagram):
            held.append(datagram)
            return [held[0], datagram] if number == 1 else [datagram] if number else []

        with DatagramPeer(answer) as peer:
            self.counts(self.json(1, "-u", "-p", peer.port, "-n", 3, "-W", "1s"), sent=3, echoed=2, lost=1, late=1)


class WithNobody(Case):
    def free_port(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return listener.getsockname()[1]

    def refused(self, naming, *arguments, **popen):
        status, out, err = run(*arguments, **popen)
        self.assertEqual((status, out, err.count("\n")), (2, "", 1), err)
        self.assertTrue(err.startswith("echod-bench: "), err)
        self.assertIn(naming, err)

    def test_refused(self):
        port = self.free_port()
        self.refused(f"connect to 127.0.0.1:{port}: Connection refused", "-p", port, "-c", 1000, "127.0.0.1")
        status, out, _ = run("--json", "-p", port, "127.0.0.1")
        result = json.loads(out)
        self.assertEqual((status, result["ended_by"], result["error"]), (2, "start", "Connection refused"))
        result = self.json(1, "-u", "-p", port, "-n", 2, "-W", "100ms")
        self.assertEqual((result["counts"]["lost"], result["error"]), (2, "Connection refused"))

    def test_more_connections_than_files(self):
        limit = (60, 60)
        self.refused("--connections", "-c", 100, "127.0.0.1",
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))

    def test_unwritable(self):
        with StreamPeer(echo_all) as peer:
            status, _, err = run("-p", peer.port, "-n", 1, "--histogram", "/nonexistent/file", "127.0.0.1")
            self.assertEqual((status, err), (2, "echod-bench: /nonexistent/file: No such file or directory\n"))
            with open("/dev/full", "wb") as full:
                done = subprocess.run([BENCH, "-p", str(peer.port), "-n", "1", "127.0.0.1"], stdout=full, check=False,
                                      stderr=subprocess.PIPE, timeout=DEADLINE)
            self.assertEqual((done.returncode, done.stderr),
                             (2, b"echod-bench: standard output: cannot be written\n"))

    def test_usage(self):
        for arguments, naming in (
                ((), "HOST"), (("a", "b"), "b"), (("--nonsense", "h"), "--nonsense"),
                (("-c", "0", "h"), "--connections=0"), (("-c", "x", "h"), "--connections=x"),
                (("-d", "0", "h"), "--depth=0"), (("-s", "0", "h"), "--size=0"), (("-r", "0", "h"), "--rate=0"),
                (("-t", "5x", "h"), "--duration=5x"), (("-w", "x", "h"), "--warmup=x"), (("-n", "0", "h"), "--total=0"),
                (("-W", "0", "h"), "--timeout=0"), (("--source=x", "h"), "--source=x"),
                (("--source=10.0.0.9-10.0.0.1", "h"), "--source="), (("-u", "-s", "7", "h"), "--size=7"),
                (("-u", "-s", "65528", "h"), "--size=65528"), (("-c", "1000000", "-d", "65536", "h"), "--depth"),
                (("-r", "100000000", "-W", "1h", "h"), "--rate"), (("-4", "-6", "h"), "--ipv6"),
                (("--stats-pid=4194304", "h"), "--stats-pid"), (("no.such.invalid",), "no.such.invalid: ")):
            with self.subTest(arguments=arguments):
                self.refused(naming, *arguments)

    def test_help_and_version(self):
        self.assertRegex(run("--help")[1], r"(?s)\AUsage: echod-bench .*--connections=N.*")
        self.assertRegex(run("--version")[1], r"\Aechod-bench \d+\.\d+\.\d+\n\Z")


if __name__ == "__main__":
    harness.main()
