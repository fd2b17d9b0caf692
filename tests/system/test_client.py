# ctest: root uncounted unfiltered
"""echod-client against the daemon, and without a peer."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

import harness
from client import CLIENT, TIME, Case, run
from harness import DEADLINE
from liars import DatagramPeer, StreamPeer, echo_all


class WithTheDaemon(Case):
    def test_the_lecture(self):
        with harness.Daemon("--log-connections") as daemon:
            self.check(0, rf"Received 'Hello, world' in {TIME} ms\n", "", "-p", daemon.tcp, "127.0.0.1")
            daemon.lines.wait(r"^EXIT: .* rx_bytes=12 tx_bytes=12 reason=eof$")
            self.check(0, rf"Received 'Hello, world' in {TIME} ms\n", "", "-u", "-p", daemon.udp, "127.0.0.1")
            self.check(0, "", "", "-q", "-p", daemon.tcp, "127.0.0.1")

    def test_texts_are_shown_as_python_shows_them(self):
        with harness.Daemon() as daemon:
            for text in ("plain", "it's", 'a "quote"', "both ' and \"", "tab\tline\nreturn\rback\\slash", "\x01\x7f"):
                self.check(0, rf"Received {re.escape(repr(text))} in {TIME} ms\n", "",
                           "-p", daemon.tcp, "-m", text, "127.0.0.1")

    def test_sizes(self):
        with harness.Daemon() as daemon:
            for size in (1, 7, 8, 65537, 1 << 20, 16 << 20):
                self.check(0, rf"Received {size} bytes unchanged in {TIME} ms\n", "",
                           "-p", daemon.tcp, "-s", size, "-W", DEADLINE, "127.0.0.1")
            for size in (0, 1, 7, 8, 65507):
                self.check(0, rf"Received {size} bytes unchanged in {TIME} ms\n", "",
                           "-u", "-p", daemon.udp, "-s", size, "-W", DEADLINE, "127.0.0.1")
            for options in (("-s", 65508), ("-m", "x" * 65508)):
                self.check(2, "", r"echod-client: 127\.0\.0\.1:\d+: --size: must be at most 65507 bytes over UDP and "
                           r"IPv4\n", "-u", "-p", daemon.udp, *options, "127.0.0.1")

    def test_a_series(self):
        with harness.Daemon() as daemon:
            for options in ((), ("-u",), ("-s", 7), ("-u", "-s", 7), ("-m", "text")):
                port = daemon.udp if "-u" in options else daemon.tcp
                out = self.check(0, rf"ECHO 127\.0\.0\.1 .*reordered\n.*rtt min/avg/max/mdev = "
                                 rf"{TIME}/{TIME}/{TIME}/{TIME} ms\n.*", "",
                                 *options, "-p", port, "-c", 5, "-i", "1ms", "127.0.0.1")
                times = re.findall(rf"^from 127\.0\.0\.1:{port}: seq=(\d+) time={TIME} ms$", out, re.M)
                self.assertEqual(times, list("12345"))
                self.assertIn("5 sent, 5 echoed, 0 lost (0 %), 0 corrupted, 0 duplicated, 0 reordered\n", out)
            out = self.check(0, ".*", "", "-q", "-p", daemon.tcp, "-c", 3, "-i", 0, "127.0.0.1")
            self.assertNotIn("seq=", out)
            self.assertIn("3 sent, 3 echoed", out)

    def test_json(self):
        with harness.Daemon() as daemon:
            for options in ((), ("-u",)):
                port = daemon.udp if options else daemon.tcp
                exchanges, flows, summary = self.summary(0, *options, "-p", port, "-c", 100, "-i", 0, "127.0.0.1")
                self.assertEqual([line["seq"] for line in exchanges], list(range(1, 101)))
                self.assertEqual({line["result"] for line in exchanges}, {"echoed"})
                times = [line["rtt_s"] for line in exchanges]
                rtt = summary["echo"]
                self.assertEqual((rtt["min_s"], rtt["max_s"]), (min(times), max(times)))
                self.assertAlmostEqual(rtt["mean_s"], sum(times) / 100, 8)
                self.assertEqual((len(flows), flows[0]["jitter_s"]), (1, summary["jitter_s"]))
                differences = [abs(later - earlier) for earlier, later in zip(times, times[1:])]
                self.assertEqual(summary["ipdv"]["pairs"], 99)
                self.assertAlmostEqual(summary["ipdv"]["sum_s"], sum(differences), 8)
                jitter = 0
                for difference in differences:
                    jitter += (difference - jitter) / 16
                self.assertAlmostEqual(summary["jitter_s"], jitter, 8)
                self.assertEqual(summary.get("tcp", {}).get("connections", 0), 0 if options else 1)
                self.counts(summary, sent=100, echoed=100)
            self.assertEqual(self.summary(0, "-q", "-p", daemon.tcp, "-c", 2, "-i", 0, "127.0.0.1")[0], [])

    def test_what_the_summary_shows(self):
        with harness.Daemon() as daemon:
            out = self.check(0, rf".*\nrtt p50/p90/p99/p99\.9 = {TIME}/{TIME}/{TIME}/{TIME} ms\njitter = {TIME} ms, mean IPDV"
                             rf" = {TIME} ms\nTCP: \d+ segments retransmitted, smoothed rtt = {TIME} ms\n"
                             r"echoes by rtt, from\n( +[0-9.]+ us  [# ]+ \d+\n)+", "", "-q", "-p", daemon.tcp, "-c", 50,
                             "-i", 0, "127.0.0.1")
            self.assertEqual(sum(int(line.split()[-1]) for line in out.splitlines() if " us  " in line), 50)

    def test_timestamps(self):
        with harness.Daemon() as daemon:
            before = time.time()
            out = self.check(0, r"ECHO.*?\n(\[\d+\.\d{6}\] from [^\n]*\n){3}---.*", "", "-D", "-p", daemon.tcp, "-c", 3, "-i", 0,
                             "127.0.0.1")
            stamps = [float(stamp) for stamp in re.findall(r"^\[(.*?)\]", out, re.M)]
            self.assertEqual(stamps, sorted(stamps))
            self.assertTrue(before - .001 <= stamps[0] and stamps[-1] <= time.time() + .001, (before, stamps))
            exchanges = self.summary(0, "-D", "-p", daemon.tcp, "-c", 2, "-i", 0, "127.0.0.1")[0]
            self.assertLess(exchanges[0]["time"], exchanges[1]["time"])

    def test_results_merge(self):
        with harness.Daemon() as daemon, tempfile.TemporaryDirectory() as folder:
            files = [os.path.join(folder, name) for name in "ab"]
            for name in files:
                with open(name, "w", encoding="utf-8") as file:
                    file.write(run("-J", "-p", daemon.tcp, "-c", 3, "-i", "700ms", "127.0.0.1")[1])
            done = subprocess.run([os.environ["ECHOD_BENCH"], "merge", "-J", *files], stdout=subprocess.PIPE, check=True)
            result = json.loads(done.stdout)
            self.assertEqual((result["counts"]["echoed"], result["echo"]["count"], result["ipdv"]["pairs"]), (6, 6, 4))
            self.assertGreaterEqual(len(result["intervals"]), 3)

    def test_ipv6(self):
        with harness.Daemon() as daemon:
            for options in ((), ("-u",), ("-6",)):
                port = daemon.udp if "-u" in options else daemon.tcp
                self.check(0, "Received .*", "", *options, "-p", port, "::1")
            self.check(2, "", "echod-client: ::1: .*\n", "-4", "-p", daemon.tcp, "::1")

    def test_a_sweep(self):
        with harness.Daemon() as daemon:
            for options in ((), ("-u",)):
                port = daemon.udp if options else daemon.tcp
                exchanges, flows, summary = self.summary(0, *options, "-p", port, "--sweep", 20, "-c", 3, "-i", "1ms",
                                                         "127.0.0.1")
                self.assertEqual(len(exchanges), 60)
                self.assertEqual(len({flow["source"] for flow in flows}), 20)
                self.assertTrue(all(flow["echoed"] == 3 for flow in flows))
                self.counts(summary, sent=60, echoed=60)
                self.check(0, r" +flow +source .*20 flows, 0 of them not clean; 60 sent, 60 echoed.*", "", *options,
                           "-p", port, "--sweep", 20, "-c", 3, "-i", "1ms", "127.0.0.1")

    def test_interrupted_it_sums_up(self):
        with harness.Daemon() as daemon:
            for number in (signal.SIGINT, signal.SIGTERM):
                with subprocess.Popen([CLIENT, "-p", str(daemon.tcp), "-i", "20ms", "127.0.0.1"],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
                    lines = harness.Lines(client.stdout)
                    lines.wait("time=", 3)
                    client.send_signal(number)
                    self.assertEqual(client.wait(DEADLINE), 0)
                    sent, echoed = re.match(r"(\d+) sent, (\d+) echoed", lines.wait("sent")[0]).groups()
                    self.assertEqual(sent, echoed)


class WithNobody(Case):
    def free_port(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return listener.getsockname()[1]

    def test_refused(self):
        port = self.free_port()
        self.check(2, "", rf"echod-client: connect to 127\.0\.0\.1:{port}: Connection refused\n", "-p", port,
                   "127.0.0.1")
        self.check(2, "", rf"echod-client: connect to 127\.0\.0\.1:{port}: Connection refused\n", "-p", port,
                   "--sweep", 5, "127.0.0.1")
        _, flows, summary = self.summary(2, "-p", port, "127.0.0.1")
        self.assertEqual(flows[0]["reason"], "Connection refused")
        self.counts(summary)
        self.check(1, "", r"echod-client: .*: lost: Connection refused\n", "-u", "-p", port, "127.0.0.1")
        out = self.check(1, ".*", "", "-u", "-p", port, "-c", 2, "-i", "10ms", "127.0.0.1")
        self.assertEqual(out.count("lost: Connection refused"), 2)

    def test_all_addresses_of_a_name_in_order(self):
        harness.require(os.geteuid() == 0, "no root, who may lay another file over /etc/hosts")
        with tempfile.NamedTemporaryFile("w") as hosts:
            hosts.write("::1 two.test\n127.0.0.1 two.test\n")
            hosts.flush()
            wrapper = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts.name)
            with StreamPeer(echo_all) as peer:
                self.check(0, "Received .*", rf"echod-client: connect to \[::1\]:{peer.port}: Connection refused\n",
                           "-p", peer.port, "two.test", wrapper=wrapper)
                self.check(0, "ECHO two.test.*1 sent, 1 echoed.*", r"echod-client: connect to \[::1\].*\n", "-c", 1,
                           "-p", peer.port, "two.test", wrapper=wrapper)
            with DatagramPeer(lambda number, datagram: [datagram]) as peer:
                self.check(0, "Received .*", r"echod-client: send to \[::1\]:.*: Connection refused\n", "-u",
                           "-p", peer.port, "two.test", wrapper=wrapper)
            port = self.free_port()
            self.check(2, "", r"echod-client: connect to \[::1\].*\nechod-client: connect to 127.0.0.1.*\n", "-p", port,
                       "two.test", wrapper=wrapper)

    def test_unknown_host(self):
        self.check(2, "", r"echod-client: no\.such\.invalid: .+\n", "no.such.invalid")

    def test_full_disk(self):
        with StreamPeer(echo_all) as peer, open("/dev/full", "wb") as full:
            done = subprocess.run([CLIENT, "-p", str(peer.port), "127.0.0.1"], stdout=full, check=False,
                                  stderr=subprocess.PIPE, timeout=DEADLINE)
            self.assertEqual((done.returncode, done.stderr),
                             (2, b"echod-client: standard output: cannot be written\n"))

    def test_usage(self):
        for arguments, naming in (
                ((), "HOST"), (("a", "b"), "b"), (("--nonsense", "h"), "--nonsense"),
                (("--count=x", "h"), "--count=x: must be"), (("-c", "0", "h"), "--count=0"),
                (("--interval=5x", "h"), "--interval=5x"), (("--timeout=0", "h"), "--timeout=0"),
                (("--port=0", "h"), "--port=0"), (("--port=65536", "h"), "--port=65536"),
                (("--size=x", "h"), "--size=x"), (("--size=17M", "h"), "--size=17M"), (("-s", "0", "h"), "--size=0"),
                (("-u", "-s", "65528", "h"), "--size=65528"), (("-m", "", "h"), "--message="),
                (("-m", "x", "-s", "9", "h"), "--message"), (("-4", "-6", "h"), "--ipv6"),
                (("--dscp=64", "h"), "--dscp=64"), (("--sweep=0", "h"), "--sweep=0"),
                (("-u", "--source-port=53", "h"), "--source-port=53"),
                (("-u", "--source-port=11211", "h"), "--source-port=11211"),
                (("-u", "--source-port=50007", "h"), "--source-port=50007: echo services do not answer"),
                (("-u", "-p", "65535", "--source-port=65534", "--sweep=2", "h"), "--source-port=65534: leaves less"),
                (("--sweep=9", "--source-port=65530", "h"), "--source-port=65530"),
                (("-i", "1ms", "-W", "1h", "h"), "--timeout")):
            with self.subTest(arguments=arguments):
                status, out, err = run(*arguments)
                self.assertEqual((status, out, err.count("\n")), (2, "", 1), err)
                self.assertTrue(err.startswith("echod-client: "), err)
                self.assertIn(naming, err)

    def test_help_and_version(self):
        self.check(0, "Usage: echod-client .*--interval=TIME.*", "", "--help")
        self.check(0, r"echod-client \d+\.\d+\.\d+\n", "", "--version")


if __name__ == "__main__":
    harness.main()
