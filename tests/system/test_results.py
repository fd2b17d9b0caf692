# ctest: uncounted unfiltered slow
"""Results of echod-bench: the schema, many processes, many machines, files that are wrong or cut short."""
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import jsonschema

import harness
import proc
from harness import DEADLINE
from liars import DatagramPeer, StreamPeer
from peers import receive

BENCH = os.environ.get("ECHOD_BENCH", "")
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs")
NAMES = ("sent", "echoed", "lost", "late", "corrupted", "duplicated")


def run(*arguments, **popen):
    """Returns (exit status, stdout, stderr)."""
    done = subprocess.run([BENCH, *map(str, arguments)], stdin=subprocess.DEVNULL, timeout=DEADLINE, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(self.folder.cleanup)
        with open(os.path.join(DOCS, "results.schema.json"), encoding="utf-8") as file:
            self.schema = json.load(file)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def result(self, status, *arguments):
        done = run("--json", *arguments)
        self.assertEqual((done[0], done[2]), (status, ""), done)
        result = json.loads(done[1])
        jsonschema.Draft202012Validator(self.schema).validate(result)
        return result

    def merge(self, status, *files):
        done = run("merge", "--json", *files)
        self.assertEqual((done[0], done[2]), (status, ""), done)
        result = json.loads(done[1])
        jsonschema.Draft202012Validator(self.schema).validate(result)
        return result

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)


class Schema(Case):
    def test_kinds_of_runs(self):
        with harness.Daemon() as daemon:
            for options in (("-p", daemon.tcp, "-n", 100), ("-p", daemon.tcp, "-t", 1.2, "-c", 3, "-d", 4, "-s", 100),
                            ("-p", daemon.tcp, "-r", 2000, "-n", 300, "--label", "a \"label\""),
                            ("-u", "-p", daemon.udp, "-n", 100, "--stats-pid", daemon.pid, "-w", 0.05)):
                with self.subTest(options=options):
                    result = self.result(0, *options, "127.0.0.1")
                    self.assertEqual(result["hostname"], os.uname().nodename)
                    self.assertEqual(result["target"]["host"], "127.0.0.1")
                    self.assertAlmostEqual(result["messages_per_second"],
                                           result["counts"]["echoed_in_time"] / result["duration_s"], 2)
        self.assertEqual(self.schema, jsonschema.Draft202012Validator(self.schema).schema)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(self.schema).validate(dict(result, schema=2))

    def test_what_was_asked_for_stands_in_it(self):
        with harness.Daemon() as daemon:
            result = self.result(0, "-p", daemon.tcp, "-c", 2, "-d", 3, "-s", 10, "-n", 50, "-W", 1.5, "--label", "x",
                                 "127.0.0.1")
        self.assertEqual(result["label"], "x")
        self.assertEqual(result["ended_by"], "total")
        self.assertEqual(result["options"], {"processes": 1, "connections": 2, "size_bytes": 10, "depth": 3, "total": 50,
                                             "warmup_s": 0, "timeout_s": 1.5})
        self.assertEqual(result["tcp"]["connections"], 2)

    def test_the_series(self):
        with harness.Daemon() as daemon:
            result = self.result(0, "-p", daemon.tcp, "-r", 100, "-n", 251, "127.0.0.1")
        times = [interval["time"] for interval in result["intervals"]]
        self.assertEqual(times, list(range(times[0], times[0] + len(times))))
        self.assertGreaterEqual(len(times), 3)
        for name, part in (("sent", "sent"), ("echoed", "messages"), ("lost", "lost")):
            self.assertEqual(sum(interval[part] for interval in result["intervals"]), result["counts"][name])
        started = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(times[0]))
        self.assertTrue(result["start_time"].startswith(started[:13]), (started, result["start_time"]))


class Processes(Case):
    def test_they_share_and_the_daemon_counted_the_same(self):
        with harness.Daemon() as daemon:
            result = self.result(0, "-p", daemon.tcp, "-c", 10, "-n", 5000, "--processes", 3, "127.0.0.1")
            self.assertEqual((result["options"]["processes"], result["options"]["connections"]), (3, 10))
            self.assertEqual({name: result["counts"][name] for name in NAMES},
                             dict(dict.fromkeys(NAMES, 0), sent=5000, echoed=5000))
            self.assertEqual((result["connect"]["count"], result["echo"]["count"]), (10, 5000))
            numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be closed")
            self.assertEqual((numbers["tcp_accepted"], numbers["tcp_received_bytes"]), (10, 5000 * 64))
            result = self.result(0, "-u", "-p", daemon.udp, "-c", 4, "-r", 1001, "-n", 301, "--processes", 4, "127.0.0.1")
            self.assertEqual((result["options"]["rate"], result["counts"]["echoed"]), (1001, 301))

    def test_nobody_sends_before_all_are_connected(self):
        """When the first message comes, all connections are there; one that is echoed may be closed."""
        def talk(connection):
            data = receive(connection, 64)
            seen.append(len(proc.queues(peer.port)))  # those that wait to be accepted are connected, too
            counted.wait(DEADLINE)  # a worker whose message is back closes its connection
            connection.sendall(data)
            connection.recv(1)

        seen, counted = [], threading.Barrier(6)
        with StreamPeer(talk) as peer:
            self.result(0, "-p", peer.port, "-c", 6, "-n", 6, "--processes", 6, "127.0.0.1")
        self.assertEqual((seen[0], len(seen)), (6, 6))

    def test_interrupted_they_sum_up(self):
        with harness.Daemon() as daemon:
            with subprocess.Popen([BENCH, "-J", "-p", str(daemon.tcp), "-c", "4", "-t", "1h", "--processes=4", "127.0.0.1"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
                daemon.wait_stats(lambda now: now["tcp_open"] == 4 and now["tcp_received_bytes"], "messages")
                bench.send_signal(signal.SIGINT)
                out, err = bench.communicate(timeout=DEADLINE)
            self.assertEqual((bench.returncode, err), (0, b""))
            counts = json.loads(out)["counts"]
            self.assertGreater(counts["echoed"], 0)
            self.assertEqual(counts["echoed"], counts["sent"])

    def test_one_that_is_killed(self):
        with harness.Daemon() as daemon:
            with subprocess.Popen([BENCH, "-J", "-p", str(daemon.tcp), "-c", "2", "-t", "2s", "--processes=2", "127.0.0.1"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
                daemon.wait_stats(lambda now: now["tcp_open"] == 2 and now["tcp_received_bytes"], "messages")
                with open(f"/proc/{bench.pid}/task/{bench.pid}/children", encoding="ascii") as children:
                    os.kill(int(children.read().split()[0]), signal.SIGKILL)
                out = json.loads(bench.communicate(timeout=DEADLINE)[0])
            self.assertEqual((bench.returncode, out["ended_by"]), (1, "duration, killed"))

    def test_none_is_left_behind(self):
        with harness.Daemon() as daemon:
            with subprocess.Popen([BENCH, "-p", str(daemon.tcp), "-c", "2", "-t", "1h", "--processes=2", "127.0.0.1"],
                                  stdout=subprocess.DEVNULL) as bench:
                daemon.wait_stats(lambda now: now["tcp_open"] == 2, "connections")
                bench.kill()
            daemon.wait_stats(lambda now: now["tcp_open"] == 0, "the workers to end with their parent")


class Start(Case):
    def test_sending_begins_then(self):
        begin = time.time() + 1.5
        arrived = []

        def talk(connection):
            opened.append(time.time())
            data = receive(connection, 64)
            arrived.append(time.time())
            connection.sendall(data)
            connection.recv(1)

        opened = []
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(begin)) + f"{begin % 1:.3f}"[1:] + "Z"
        with StreamPeer(talk) as peer:
            result = self.result(0, "-p", peer.port, "-n", 1, "--start-at", moment, "127.0.0.1")
        self.assertGreaterEqual(arrived[0], begin - 0.002)
        self.assertLess(opened[0], arrived[0])
        self.assertGreaterEqual(result["start_time"], moment[:-2])

    def test_a_time_past(self):
        for moment in ("2020-01-01T00:00:00Z", int(time.time()) - 1, "noon"):
            status, out, err = run("--start-at", moment, "127.0.0.1")
            self.assertEqual((status, out), (2, ""))
            self.assertIn(f"--start-at={moment}: must be a moment to come", err)


class Merge(Case):
    def test_two_machines_equal_the_daemon(self):
        with harness.Daemon() as daemon:
            begin = int(time.time()) + 3
            benches = [subprocess.Popen([BENCH, "-p", str(daemon.tcp), "-c", "4", "-t", "1.5s", "--processes=2", "-W30",
                                         f"--start-at={begin}", "--label", label, "-o", self.path(label), "127.0.0.1"],
                                        stdout=subprocess.DEVNULL) for label in ("one", "two")]
            for bench in benches:
                self.assertEqual(bench.wait(DEADLINE), 0)
            result = self.merge(0, self.path("one"), self.path("two"))
            numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be closed")
            self.assertEqual(result["counts"]["echoed"] * 64, numbers["tcp_received_bytes"])
            self.assertEqual((result["label"], result["options"]["connections"]), ("one, two", 8))
            self.assertEqual(result, self.merge(0, self.path("two"), self.path("one")))
            status, out, _ = run("merge", "-o", self.path("sum"), self.path("one"), self.path("two"))
            self.assertEqual(status, 0)
            self.assertIn("8 connections, 64 bytes per message", out)
            self.assertEqual(self.merge(0, self.path("sum")), result)

    def test_losses_give_the_same_exit_status(self):
        with DatagramPeer(lambda number, datagram: [datagram] if number else []) as peer:
            run("-u", "-p", peer.port, "-n", 3, "-W", 1, "-o", self.path("lossy"), "127.0.0.1")
        lossy = self.merge(1, self.path("lossy"))
        self.assertEqual(lossy["counts"]["lost"], 1)
        lossy["target"]["address"], lossy["options"]["rate"], lossy["cpu"]["tool_load"] = "192.0.2.1:7", 100000, 0.95
        status, out, _ = run("merge", self.write("noted", json.dumps(lossy)))
        self.assertEqual((status, out.count("  note: ")), (1, 2))
        self.assertLessEqual(max(map(len, out.splitlines())), 80)

    def test_other_runs(self):
        with harness.Daemon() as daemon:
            for depth in (1, 2):
                run("-p", daemon.tcp, "-n", 10, "-d", depth, "-o", self.path(str(depth)), "127.0.0.1")
        status, out, err = run("merge", self.path("1"), self.path("2"))
        self.assertEqual((status, out), (2, ""))
        self.assertRegex(err, r"\Aechod-bench: merge: .*/2: options.depth is not the same as in .*/1\n\Z")

    def test_files_that_are_wrong(self):
        with harness.Daemon() as daemon:
            run("-p", daemon.tcp, "-n", 10, "-o", self.path("good"), "127.0.0.1")
        with open(self.path("good"), encoding="utf-8") as file:
            good = file.read()
        foreign = self.write("foreign", '{"requests": 7}')
        for name, text, problem in (
                ("empty", "", "is not JSON"), ("cut", good[:-10], "is not JSON"), ("text", "hello", "is not JSON"),
                ("later", good.replace('"schema": 1', '"schema": 9'), "schema is not 1"),
                ("changed", re.sub(r'"hdr": "HISTFAAA....', '"hdr": "HISTFAAAAAAA', good), "connect has no histogram"),
                ("lacks", good.replace('"echoed"', '"echo3d"'), "counts.echoed is missing")):
            with self.subTest(name=name):
                wrong = self.write(name, text)
                status, out, err = run("merge", "-o", self.path("never"), self.path("good"), wrong)
                self.assertEqual((status, out), (2, ""))
                self.assertTrue(err.startswith(f"echod-bench: merge: {wrong}: {problem}"), err)
                self.assertFalse(os.path.exists(self.path("never")))
        self.assertIn("is no result of echod-bench", run("merge", foreign)[2])
        self.assertIn("No such file", run("merge", self.path("none"))[2])
        self.assertIn("FILE is missing", run("merge")[2])

    def test_the_last_of_several_counts(self):
        with harness.Daemon() as daemon:
            run("-p", daemon.tcp, "-n", 10, "-o", self.path("good"), "127.0.0.1")
        with open(self.path("good"), encoding="utf-8") as file:
            good = file.read()
        lines = self.write("lines", '{"type": "exchange"}\n{"type": "flow"}\n' + good + "\n\n")
        self.assertEqual(self.merge(0, lines), json.loads(good))


class Files(Case):
    def test_killed_it_leaves_what_was_measured(self):
        with harness.Daemon() as daemon:
            with subprocess.Popen([BENCH, "-p", str(daemon.tcp), "-t", "1h", "-o", self.path("file"), "127.0.0.1"],
                                  stdout=subprocess.DEVNULL) as bench:
                harness.wait_until(lambda: os.path.exists(self.path("file")) and
                                   len(json.load(open(self.path("file"), encoding="utf-8"))["intervals"]) >= 2,
                                   "two seconds in the file")
                bench.kill()
            self.assertIn("unfinished", run("merge", self.path("file"))[1])
            result = json.loads(run("merge", "-J", self.path("file"))[1])
            self.assertGreaterEqual(len(result["intervals"]), 2)
            self.assertGreater(result["counts"]["echoed"], 0)
            self.assertNotIn("ended_by", result)

    def test_unwritable(self):
        with harness.Daemon() as daemon:
            status, _, err = run("-p", daemon.tcp, "-n", 1, "-o", "/nonexistent/file", "127.0.0.1")
        self.assertEqual((status, err), (2, "echod-bench: /nonexistent/file: No such file or directory\n"))


if __name__ == "__main__":
    harness.main()
