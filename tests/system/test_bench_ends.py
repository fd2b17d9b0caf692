# ctest: uncounted unfiltered
"""echod-bench when a run cannot begin, ends early, or has measured nothing: it says so, and shows nothing else."""
import json
import os
import resource
import signal
import socket
import subprocess

import harness
from harness import DEADLINE
from liars import DatagramPeer, StreamPeer, echo_all
from network import interrupt_while_connecting, rule
from test_bench import BENCH, Case, run

HERE = "192.0.2.1"


class OwnNetwork(Case):
    """In a network of its own, where 192.0.2.1 and 192.0.2.2 are addresses that are not loopback."""

    @classmethod
    def setUpClass(cls):
        harness.own_network("192.0.2.1/32", "192.0.2.2/32")

    def rule(self, text):
        self.enterContext(rule(text))

    def test_nothing_can_be_sent(self):
        self.rule("table ip t { chain c { type filter hook output priority 0; udp dport 9999 drop; }\n }")
        result = self.json(1, "-u", "-p", 9999, "-n", 10, "-W", 0.2, host=HERE)
        self.counts(result)
        self.assertEqual((result["ended_by"], result["error"]), ("timeout", "Operation not permitted"))

    def test_the_note_on_rates(self):
        """echod answers 1000 datagrams of up to 1500 bytes per second; what costs more is worth a note."""
        for size, rate, noted in ((1500, 900, False), (1501, 600, True), (64, 1200, True), (64, 900, False)):
            with self.subTest(size=size, rate=rate), \
                    DatagramPeer(lambda number, datagram: [datagram] if number % 9 else [], host=HERE) as peer:
                out = run("-u", "-p", peer.port, "-s", size, "-r", rate, "-t", 0.5, "-w", 0.2, "-W", 0.2, HERE)[1]
                self.assertEqual("note: echod answers a source" in out, noted, out)

    def test_no_source_port_is_left(self):
        ports = "/proc/sys/net/ipv4/ip_local_port_range"
        with open(ports, encoding="ascii") as file:
            before = file.read()
        with StreamPeer(echo_all, host=HERE) as peer:
            try:
                with open(ports, "w", encoding="ascii") as file:
                    file.write("40000 40003")
                result = self.json(1, "-p", peer.port, "-c", 10, "-n", 100, host=HERE)
            finally:
                with open(ports, "w", encoding="ascii") as file:
                    file.write(before)
        self.assertEqual(result["connections"], {"opened": 4, "failed": 6, "broken": 0})
        self.assertEqual(result["error"], "no free source port")

    def test_interrupted_while_connecting(self):
        self.assertEqual(interrupt_while_connecting(BENCH, "192.0.2.1", "192.0.2.2"),
                         (2, "", "echod-bench: connect to 192.0.2.1:9: stopped\n"))


class Ends(Case):
    def test_too_large_for_ipv4(self):
        status, out, err = run("-u", "-n", 1, "-s", 65508, "127.0.0.1")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("--size: must be at most 65507 bytes over UDP and IPv4", err)
        with DatagramPeer(lambda number, datagram: [datagram]) as peer:
            self.counts(self.json(0, "-u", "-p", peer.port, "-n", 3, "-s", 65507), sent=3, echoed=3)

    def test_no_descriptor_for_the_pacer(self):
        """Every number of descriptors that it may have: it runs, or it says why not."""
        with StreamPeer(echo_all) as peer:
            files = [os.open("/dev/null", os.O_RDONLY) for _ in range(30)]
            for file in files:
                os.set_inheritable(file, True)
            for limit in range(34, 50):
                done = run("-J", "-p", peer.port, "-r", 100, "-n", 5, "127.0.0.1", close_fds=False,
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))  # pylint: disable=cell-var-from-loop
                if done[0] == 0:
                    self.assertLess(json.loads(done[1])["duration_s"], 60)
                else:
                    self.assertEqual(done[0], 2, done)
                    self.assertRegex(done[2], "open files|files may be open|Too many")
            for file in files:
                os.close(file)
            self.assertEqual(done[0], 0, done)
            done = run("-J", "-p", peer.port, "-r", 100, "-n", 5, "127.0.0.1",
                       env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"),
                       wrapper=("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=timerfd_create:error=EMFILE"))
            result = json.loads(done[1])
            self.assertEqual((done[0], result["error"], result["counts"]["sent"]), (2, "Too many open files", 0))

    def test_a_server_that_is_gone(self):
        with subprocess.Popen(["sleep", "1h"]) as server:
            def end_server(connection):
                connection.recv(1, socket.MSG_PEEK)  # the measurement has begun
                server.kill()
                server.wait()
                echo_all(connection)

            with StreamPeer(end_server) as peer:
                result = self.json(0, "-p", peer.port, "-n", 100, "--stats-pid", server.pid)
        self.assertNotIn("server_s", result["cpu"])

    def test_interrupted_in_the_warm_up(self):
        with harness.Daemon() as daemon:
            for options in (("-J",), ()):
                before = daemon.stats()["tcp_received_bytes"]
                with subprocess.Popen([BENCH, *options, "-p", str(daemon.tcp), "-w", "1h", "127.0.0.1"],
                                      stdout=subprocess.PIPE, text=True) as bench:
                    daemon.wait_stats(lambda now, before=before: now["tcp_received_bytes"] > before, "messages")
                    bench.send_signal(signal.SIGINT)
                    out = bench.communicate(timeout=DEADLINE)[0]
                self.assertEqual(bench.returncode, 1)
                if options:
                    result = json.loads(out)
                    self.counts(result)
                    self.assertEqual((result["ended_by"], result["duration_s"], "echo" in result), ("interrupt", 0, False))
                    self.assertNotIn("start_time", result)
                else:
                    self.assertIn("nothing was measured", out)
                    self.assertIn("ended early: stopped by a signal", out)
                    self.assertNotIn("per second", out)

    def test_a_total_is_without_the_warm_up(self):
        with harness.Daemon() as daemon:
            for options in ((), ("-d", 16, "-c", 2), ("-r", 500)):
                self.counts(self.json(0, "-p", daemon.tcp, "-n", 100, "-w", 0.3, *options), sent=100, echoed=100)

    def test_faults_of_the_warm_up_count(self):
        with DatagramPeer(lambda number, datagram: [datagram] if number else []) as peer:
            result = self.json(1, "-u", "-p", peer.port, "-n", 10, "-w", 0.6, "-W", 0.1)
        self.counts(result, sent=10, echoed=10)
        self.assertEqual(result["counts"]["warmup_faults"], 1)

    def test_sources_that_are_wrong(self):
        self.assertIn("the source address is none of this host", run("--source", HERE, "127.0.0.1")[2])
        self.assertIn("--source: is of the other IP version", run("--source", "::1", "127.0.0.1")[2])

    def test_memory_for_all_that_may_be_in_flight(self):
        self.assertIn("--rate: must be at most", run("-r", 999, "-W", "24h", "-c", 1000, "127.0.0.1")[2])


if __name__ == "__main__":
    harness.main()
