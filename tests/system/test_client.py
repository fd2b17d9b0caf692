# ctest: root uncounted unfiltered
"""echod-client against the daemon, against peers that lie, and without a peer."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import jsonschema

import harness
from harness import DEADLINE
from liars import DatagramPeer, StreamPeer, echo_all, flip
from peers import receive

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/results.schema.json")
CLIENT = os.environ.get("ECHOD_CLIENT", "")
TIME = r"\d+\.\d{3}"
LOST = "lost: no echo within"


def run(*arguments, wrapper=(), **popen):
    """Returns (exit status, stdout, stderr)."""
    done = subprocess.run([*wrapper, CLIENT, *map(str, arguments)], stdin=subprocess.DEVNULL, timeout=DEADLINE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True, **popen)
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    def check(self, status, out, err, *arguments, **popen):
        """Runs and compares: out and err are patterns for all that is written."""
        result = run(*arguments, **popen)
        self.assertEqual(result[0], status, result)
        self.assertRegex(result[1], re.compile(r"\A" + out + r"\Z", re.S), result)
        self.assertRegex(result[2], re.compile(r"\A" + err + r"\Z", re.S), result)
        return result[1]

    def summary(self, status, *arguments, **popen):
        """Runs with --json; returns the lines of exchanges, those of flows, and the summary."""
        done = run("--json", *arguments, **popen)
        self.assertEqual(done[0], status, done)
        lines = [json.loads(line) for line in done[1].splitlines()]
        with open(SCHEMA, encoding="utf-8") as file:
            schema = json.load(file)
        for line in lines:
            part = schema if line["type"] == "summary" else {"$ref": "#/$defs/" + line["type"], "$defs": schema["$defs"]}
            jsonschema.Draft202012Validator(part).validate(line)
        kinds = {kind: [line for line in lines if line["type"] == kind]
                 for kind in ("exchange", "flow", "summary")}
        self.assertEqual(len(kinds["summary"]), 1)
        return kinds["exchange"], kinds["flow"], kinds["summary"][0]

    def counts(self, summary, **expected):
        names = ("sent", "echoed", "lost", "late", "corrupted", "duplicated", "reordered")
        self.assertEqual({name: summary["counts"].get(name, 0) for name in names},
                         dict(dict.fromkeys(names, 0), **expected))


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
                           "-p", daemon.tcp, "-s", size, "127.0.0.1")
            for size in (0, 1, 7, 8, 65507):
                self.check(0, rf"Received {size} bytes unchanged in {TIME} ms\n", "",
                           "-u", "-p", daemon.udp, "-s", size, "127.0.0.1")
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
                    file.write(run("-J", "-p", daemon.tcp, "-c", 7, "-i", "1ms", "127.0.0.1")[1])
            done = subprocess.run([os.environ["ECHOD_BENCH"], "merge", "-J", *files], stdout=subprocess.PIPE, check=True)
            result = json.loads(done.stdout)
            self.assertEqual((result["counts"]["echoed"], result["echo"]["count"], result["ipdv"]["pairs"]), (14, 14, 12))

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


class WithLiars(Case):
    def test_a_changed_byte(self):
        def talk(connection):
            first = receive(connection, 56)
            connection.sendall(first)
            second = receive(connection, 56)
            connection.sendall(flip(second, 40))
            echo_all(connection)

        with StreamPeer(talk) as peer:
            out = self.check(1, ".*3 sent, 2 echoed, 0 lost .*1 corrupted.*", "", "-p", peer.port, "-c", 3, "-i", 0,
                             "127.0.0.1")
            self.assertIn("seq=2 corrupted: byte 41 of 56 is not what was sent\n", out)
        with StreamPeer(lambda connection: connection.sendall(flip(receive(connection, 12), 0))) as peer:
            self.check(1, "", r"echod-client: .*: corrupted: byte 1 of 12 is not what was sent\n", "-p", peer.port,
                       "127.0.0.1")

    def test_more_than_was_sent(self):
        with StreamPeer(lambda connection: connection.sendall(receive(connection, 56) + b"x")) as peer:
            summary = self.summary(1, "-p", peer.port, "-c", 1, "127.0.0.1")[2]
            self.counts(summary, sent=1, echoed=1, corrupted=1)

    def test_no_answer(self):
        with StreamPeer(lambda connection: connection.recv(1 << 16) and connection.recv(1)) as peer:
            self.check(1, "", rf"echod-client: .*: {LOST} 0\.1 s\n", "-p", peer.port, "-W", "100ms", "127.0.0.1")
        with DatagramPeer(lambda number, datagram: []) as peer:
            out = self.check(1, ".*2 sent, 0 echoed, 2 lost .*", "", "-u", "-p", peer.port, "-W", "50ms", "-c", 2,
                             "-i", "10ms", "127.0.0.1")
            self.assertEqual(out.count(LOST), 2)

    def test_half_an_answer(self):
        def talk(connection):
            connection.sendall(receive(connection, 56)[:30])

        with StreamPeer(talk) as peer:
            out = self.check(1, ".*1 sent, 0 echoed, 1 lost.*", "", "-p", peer.port, "-c", 1, "127.0.0.1")
            self.assertIn("seq=1 lost: closed by the peer\n", out)

    def test_a_peer_that_leaves(self):
        def talk(connection):
            connection.sendall(receive(connection, 56))

        with StreamPeer(talk) as peer:
            self.check(1, ".*1 sent, 1 echoed.*", "echod-client: exchange with .*: closed by the peer\n",
                       "-p", peer.port, "-c", 3, "-i", "1s", "127.0.0.1")

    def test_a_peer_that_never_leaves(self):
        """It does not end its side when we end ours; everything has come back, though."""
        def talk(connection):
            connection.sendall(receive(connection, 12))
            connection.recv(1)
            left.wait(DEADLINE)

        left = threading.Event()
        with StreamPeer(talk) as peer:
            self.check(0, "Received .*", "", "-p", peer.port, "127.0.0.1")
            left.set()

    def test_a_byte_at_a_time(self):
        def talk(connection):
            while data := connection.recv(1 << 16):
                for index in range(len(data)):
                    connection.sendall(data[index:index + 1])

        with StreamPeer(talk) as peer:
            self.counts(self.summary(0, "-p", peer.port, "-c", 5, "-i", 0, "127.0.0.1")[2], sent=5, echoed=5)

    def test_late(self):
        """An echo that comes after it was given up, which it is before the next one is sent."""
        held = []

        def answer(number, datagram):
            held.append(datagram)
            return held if number == 1 else []

        def talk(connection):
            connection.sendall(receive(connection, 2 * 56))
            echo_all(connection)

        options = ("-W", "1s", "-i", "2s", "-c", 2, "127.0.0.1")
        with DatagramPeer(answer) as peer:
            exchanges, _, summary = self.summary(1, "-u", "-p", peer.port, *options)
            self.assertEqual([(e["seq"], e["result"]) for e in exchanges],
                             [(1, "lost"), (1, "late"), (2, "echoed")])
            self.counts(summary, sent=2, echoed=1, lost=1, late=1)
        with StreamPeer(talk) as peer:
            self.counts(self.summary(1, "-p", peer.port, *options)[2], sent=2, echoed=1, lost=1, late=1)

    def test_duplicated(self):
        """Each echo comes again, in front of the next one."""
        before = []

        def answer(_, datagram):
            before.append(datagram)
            return before[-2:]

        with DatagramPeer(answer) as peer:
            summary = self.summary(1, "-u", "-p", peer.port, "-c", 5, "-i", 0, "127.0.0.1")[2]
            self.counts(summary, sent=5, echoed=5, duplicated=4)

    def test_reordered(self):
        held = []

        def answer(number, datagram):
            if number == 1:
                held.append(datagram)
                return []
            return [datagram] + held if number == 2 else [datagram]

        with DatagramPeer(answer) as peer:
            exchanges, _, summary = self.summary(0, "-u", "-p", peer.port, "-c", 4, "-i", "20ms", "127.0.0.1")
            self.counts(summary, sent=4, echoed=4, reordered=1)
            self.assertEqual([e["seq"] for e in exchanges if e.get("reordered")], [2])

    def test_datagrams_that_are_not_ours(self):
        for size in (56, 5):
            for wrong in (lambda d: b"", lambda d: d[:-1], lambda d: d + b"x", lambda d: flip(d, 0),
                          lambda d: flip(d, len(d) - 1)):
                # bound now, for the closure of this round
                with DatagramPeer(lambda number, d, wrong=wrong: [d if number else wrong(d)]) as peer:
                    summary = self.summary(1, "-u", "-p", peer.port, "-W", "1s", "-c", 3, "-i", 0, "-s", size,
                                           "127.0.0.1")[2]
                    self.assertEqual([summary["counts"][name] for name in ("sent", "echoed", "corrupted")], [3, 2, 1])

    def test_one_bad_path_of_a_sweep(self):
        bad = []

        def answer(_, datagram):
            source = peer.sources[-1]
            if not bad:
                bad.append(source)
            return [] if source == bad[0] else [datagram]

        with DatagramPeer(answer) as peer:
            _, flows, summary = self.summary(1, "-u", "-p", peer.port, "--sweep", 8, "-c", 3, "-i", "1ms",
                                             "-W", "2s", "127.0.0.1")
            self.assertEqual([flow["source"] for flow in flows if flow["lost"]], ["127.0.0.1:%d" % bad[0][1]])
            self.counts(summary, sent=24, echoed=21, lost=3)

    def test_a_second_interrupt_gives_up(self):
        with DatagramPeer(lambda number, datagram: []) as peer:
            with subprocess.Popen([CLIENT, "-u", "-p", str(peer.port), "-i", "1h", "-W", "1h", "127.0.0.1"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
                lines = harness.Lines(client.stdout)
                harness.wait_until(lambda: peer.sources, "the first datagram")
                client.send_signal(signal.SIGINT)
                self.assertRaises(subprocess.TimeoutExpired, client.wait, 0.3)  # it waits for the echo
                client.send_signal(signal.SIGINT)
                self.assertEqual(client.wait(DEADLINE), 1)
                lines.wait("seq=1 lost: stopped")
                lines.wait("1 sent, 0 echoed, 1 lost")

    def test_the_codepoint_is_on_the_packets(self):
        with DatagramPeer(lambda number, datagram: [datagram]) as peer:
            self.check(0, "Received .*", "", "-u", "--dscp", 46, "-p", peer.port, "127.0.0.1")
            self.assertEqual(peer.traffic_classes, [46 << 2])


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
