# ctest: uncounted unfiltered slow
"""echod-bench --messages-per-connection and --connect-rate: connections that come and go, counted and timed."""
import json
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
from harness import DEADLINE
from liars import StreamPeer, echo_all, flip
from peers import receive, receive_all
from test_bench import BENCH, Case, run

PORTS = "/proc/sys/net/ipv4/ip_local_port_range"
HERE = "192.0.2.1"


class Sessions(Case):
    def connections(self, result, **expected):
        names = ("opened", "failed", "broken")
        self.assertEqual({name: result["connections"][name] for name in names},
                         dict(dict.fromkeys(names, 0), **expected), result)


class WithTheDaemon(Sessions):
    def test_the_daemon_counted_the_same(self):
        accepted = received = 0
        with harness.Daemon() as daemon:
            for total, each, options in ((100, 1, ("-c", 1)), (1000, 3, ("-c", 7)), (500, 10, ("-c", 3, "-d", 4)),
                                         (60, 1000, ("-c", 3, "-d", 2, "-s", 100000)),
                                         (300, 1, ("--connect-rate", 2000)), (301, 2, ("--connect-rate", 1000, "-c", 5)),
                                         (400, 2, ("-c", 6, "--processes", 3)),
                                         (300, 1, ("--connect-rate", 1000, "--processes", 2))):
                with self.subTest(total=total, each=each, options=options):
                    result = self.json(0, "-p", daemon.tcp, "-n", total, "--messages-per-connection", each, *options)
                    self.counts(result, sent=total, echoed=total)
                    opened = result["connections"]["opened"]
                    # each process ends with a connection that is not full; more than these begin only at once
                    self.assertGreaterEqual(opened, -(-total // each))
                    self.assertLessEqual(opened, -(-total // each) + 6)
                    self.connections(result, opened=opened)
                    self.assertEqual([result[name]["count"] for name in ("connect", "close", "echo")],
                                     [opened, opened, total])
                    self.assertEqual(result["connections"]["closed_in_time"], opened)
                    self.assertEqual(result["options"]["messages_per_connection"], each)
                    accepted, received = accepted + opened, received + total * result["options"]["size_bytes"]
                    numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be closed")
                    self.assertEqual((numbers["tcp_accepted"], numbers["tcp_closed_eof"], numbers["tcp_received_bytes"]),
                                     (accepted, accepted, received))

    def test_for_a_time(self):
        with harness.Daemon() as daemon:
            for options in (("-c", 4, "--messages-per-connection", 5), ("--connect-rate", 300)):
                before = daemon.stats()["tcp_accepted"]
                result = self.json(0, "-p", daemon.tcp, "-t", 0.5, *options)
                now = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be closed")
                opened = result["connections"]["opened"]
                self.connections(result, opened=opened)
                self.assertEqual((now["tcp_accepted"] - before, result["close"]["count"]), (opened, opened))
                self.assertAlmostEqual(result["connections_per_second"],
                                       result["connections"]["closed_in_time"] / result["duration_s"], 2)
            # the first is due at once, the last less than 0.5 s later, or a little more on a busy machine
            self.assertGreaterEqual(opened, 150)

    def test_the_warm_up_is_not_counted(self):
        with harness.Daemon() as daemon:
            result = self.json(0, "-p", daemon.tcp, "-n", 100, "-w", 0.3, "-c", 2, "--messages-per-connection", 10)
            self.counts(result, sent=100, echoed=100)
            opened = result["connections"]["opened"]
            self.assertLessEqual(opened, 15)
            self.assertEqual(result["close"]["count"], opened)
            now = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be closed")
            self.assertGreater(now["tcp_accepted"], opened)

    def test_interrupted_it_ends_each(self):
        with harness.Daemon() as daemon:
            with subprocess.Popen([BENCH, "-J", "-p", str(daemon.tcp), "-t", "1h", "-c", "3",
                                   "--messages-per-connection=7", "127.0.0.1"], stdout=subprocess.PIPE) as bench:
                daemon.wait_stats(lambda now: now["tcp_accepted"] > 20, "connections")
                bench.send_signal(signal.SIGINT)
                result = json.loads(bench.communicate(timeout=DEADLINE)[0])
            self.assertEqual((bench.returncode, result["ended_by"]), (0, "interrupt"))
            now = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be closed")
            self.assertEqual(now["tcp_closed_eof"], result["close"]["count"])
            self.assertEqual(now["tcp_received_bytes"], 64 * result["counts"]["echoed"])

    def test_the_table(self):
        with harness.Daemon() as daemon:
            for options, load in ((("--connect-rate", 100), "open loop: 100 connections per second due"),
                                  (("-c", 500, "--messages-per-connection", 1), "closed loop: 1 in flight on each")):
                status, out, _ = run("-p", daemon.tcp, "-n", 20, *options, "127.0.0.1")
                self.assertEqual(status, 0, out)
                self.assertIn(f"127.0.0.1:{daemon.tcp} over TCP: 500 connections at a time, 64 bytes per message\n"
                              f"{load}, closed after 1 message\n", out)
                self.assertRegex(out, r"(?m)^  closed   \d+ of \d+ connections: \d+ per second$")
                self.assertRegex(out, r"(?m)^  connect( +\d+\.\d){6}\n  echo( +\d+\.\d){6}\n  close( +\d+\.\d){6}$")
                self.assertLessEqual(max(map(len, out.splitlines())), 80)


class WithLiars(Sessions):
    def test_waiting_cannot_hide_in_an_open_loop(self):
        """The peer takes 20 ms a connection and 10 ms lie between them: the last of 20 is 190 ms late at least."""
        def talk(connection):
            echo_all(connection)
            time.sleep(.02)  # the FIN that echo_all leaves to the end of the connection

        with StreamPeer(talk) as peer:
            result = self.json(0, "-p", peer.port, "-n", 20, "-c", 1, "--connect-rate", 100, "-W", "30s")
        self.connections(result, opened=20)
        self.assertGreaterEqual(result["close"]["min_s"], .02)
        self.assertGreaterEqual(result["connect"]["max_s"], .19)

    def test_what_is_too_late_has_failed(self):
        released = threading.Event()

        def talk(connection):
            connection.sendall(receive(connection, 64))
            released.wait(DEADLINE)  # without a FIN

        with StreamPeer(talk) as peer:
            result = self.json(1, "-p", peer.port, "-t", 1, "-c", 1, "--connect-rate", 100, "-W", 0.3)
            released.set()
        closed = result["connections"]
        self.assertEqual(result["error"], "Connection timed out")
        self.assertGreaterEqual(closed["opened"] + closed["failed"], 100)
        self.assertEqual((closed["broken"], closed["closed_in_time"] if "closed_in_time" in closed else 0),
                         (closed["opened"], 0))
        self.counts(result, sent=closed["opened"], echoed=closed["opened"])

    def test_a_peer_that_does_not_answer(self):
        with StreamPeer(receive_all) as peer:
            for end in (("-n", 6), ("-t", 0.5)):
                result = self.json(1, "-p", peer.port, "-c", 2, "-W", 0.2, "--messages-per-connection", 3, *end)
                broken = result["connections"]["broken"]
                self.counts(result, sent=broken, lost=broken)
                self.assertEqual(result["error"], "Connection timed out")

    def test_faults(self):
        """What is wrong with one connection is no fault of the next one."""
        def talk(connection):
            with lock:
                number = next(numbers)
            data = receive(connection, 64)
            if number == 1:
                data = flip(data, 10)
            if number == 2:
                return
            connection.sendall(data + (b"x" if number == 3 else b""))
            receive_all(connection)

        lock, numbers = threading.Lock(), iter(range(100))
        with StreamPeer(talk) as peer:
            result = self.json(1, "-p", peer.port, "-n", 10, "--messages-per-connection", 1)
        self.assertEqual(result["connections"]["broken"], 2)
        counts = result["counts"]
        # the byte too many comes with the message, which is lost then, or after it
        self.assertIn((counts["sent"], counts["echoed"], counts["lost"], counts["corrupted"]), ((10, 8, 1, 2), (10, 7, 2, 2)))
        self.assertEqual(result["connections"]["opened"], 10)

    def test_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        for options in (("-c", 1, "--messages-per-connection", 1), ("-c", 100, "--messages-per-connection", 1),
                        ("--connect-rate", 1000)):
            status, out, err = run("-p", port, "-t", "1h", *options, "127.0.0.1")
            self.assertEqual((status, out, err),
                             (2, "", f"echod-bench: connect to 127.0.0.1:{port}: Connection refused\n"))

    def test_a_peer_that_goes_away(self):
        """What is refused is tried again, ten times a second and not at once, and counts towards the end."""
        def serve():
            for _ in range(12):
                connection = listener.accept()[0]
                with connection:
                    connection.sendall(receive(connection, 64))
                    receive_all(connection)
            listener.close()

        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            server = threading.Thread(target=serve)
            server.start()
            result = self.json(1, "-p", port, "-n", 24, "-c", 1, "--messages-per-connection", 1)
            server.join(DEADLINE)
        failed = result["connections"]["failed"]
        self.assertEqual(result["ended_by"], "total")
        self.assertEqual(result["counts"]["echoed"], 12)
        self.assertIn(failed, (11, 12))  # one may wait to be accepted when the listener closes
        self.assertGreaterEqual(result["duration_s"], (failed - 1) * .09)


class Usage(Sessions):
    def test_what_does_not_go_together(self):
        for options, problem in ((("-u", "--messages-per-connection", 1), "--messages-per-connection: not over UDP"),
                                 (("-u", "--connect-rate", 1), "not over UDP"),
                                 (("--rate", 5, "--connect-rate", 1), "--rate: not with --messages-per-connection"),
                                 (("--connect-rate", 0), "--connect-rate=0"),
                                 (("--connect-rate", 3, "--processes", 4), "must be at most --connect-rate")):
            status, out, err = run(*options, "127.0.0.1")
            self.assertEqual((status, out), (2, ""))
            self.assertIn(problem, err)


class Ports(Sessions):
    """In a network of its own: addresses that are not loopback, where a port waits for a minute after its connection."""

    @classmethod
    def setUpClass(cls):
        harness.own_network(*(f"192.0.2.{n}/32" for n in range(1, 5)))

    def test_more_addresses_have_more_ports(self):
        with open(PORTS, encoding="ascii") as file:
            before = file.read()
        options = ("-n", 12, "-c", 1, "--messages-per-connection", 1)
        with StreamPeer(echo_all, host=HERE) as peer:
            try:
                with open(PORTS, "w", encoding="ascii") as file:
                    file.write("40000 40003")
                few = self.json(1, "-p", peer.port, *options, host=HERE)
                enough = self.json(0, "-p", peer.port, *options, "--source", "192.0.2.2-192.0.2.4", host=HERE)
            finally:
                with open(PORTS, "w", encoding="ascii") as file:
                    file.write(before)
        self.connections(few, opened=4, failed=8)
        self.assertEqual(few["error"], "no free source port")
        self.counts(few, sent=4, echoed=4)
        self.connections(enough, opened=12)


del Case
if __name__ == "__main__":
    harness.main()
