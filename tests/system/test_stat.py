# ctest: seconds=300 uncounted unfiltered
"""echod-stat: what it shows is what the daemons count; one that ends is shown; a terminal shows it all."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import harness
from peers import connect, datagram_peer, echo

STAT = os.environ.get("ECHOD_STAT", "")
TITLES = ["daemon", "conns", "accepts/s", "in", "B/s", "out", "B/s", "dgrams/s", "refused/s", "drops/s"]
RATES = ("accepts_per_second", "received_bytes_per_second", "sent_bytes_per_second", "datagrams_per_second",
         "refusals_per_second", "drops_per_second")


class Case(unittest.TestCase):
    def setUp(self):
        self.scratch = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name):
        return os.path.join(self.scratch, name)

    def daemon(self, name, *options):
        return self.enterContext(harness.Daemon("--stats-socket=" + self.path(name), *options))

    def run_stat(self, *arguments, **more):
        return subprocess.run([STAT, *arguments], cwd=self.scratch, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=harness.DEADLINE, **more)

    @contextlib.contextmanager
    def watching(self, *arguments):
        """Its lines, while it runs."""
        with subprocess.Popen([STAT, *arguments], cwd=self.scratch, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            lines = harness.Lines(process.stdout)
            try:
                yield lines
            finally:
                process.terminate()
                self.assertEqual((process.stderr.read(), process.wait(harness.DEADLINE)), (b"", -signal.SIGTERM))


class Figures(Case):
    def test_what_is_shown_adds_up_to_what_the_daemons_count(self):
        """Rates times intervals: over all lines, the totals that came in between, whatever each interval held."""
        first, second = self.daemon("a"), self.daemon("b", "--max-connections-per-source=3")
        with self.watching("--json", "-i500ms", "a", "b") as lines:
            lines.wait('"sum"')
            peers = [self.enterContext(connect(first.tcp)) for _ in range(3)]
            for peer in peers:
                echo(peer, b"x" * 1000)
            for _ in range(5):
                with contextlib.suppress(ConnectionResetError):  # two of them are refused
                    self.enterContext(connect(second.tcp))
            with datagram_peer(second.udp) as peer:
                for _ in range(7):
                    peer.send(b"y" * 10)
                    peer.recv(100)
            second.wait_stats(lambda stats: stats["tcp_refused_source"] == 2, "two refusals")
            lines.wait('"sum"', len(lines.matching('"sum"')) + 3)
            shown = [json.loads(line) for line in list(lines.all)]
        times = sorted({line["time"] for line in shown})
        begins = {times[i]: times[i - 1] for i in range(1, len(times))}
        at = {moment: float(moment[-13:-1]) + 60 * int(moment[14:16]) for moment in times}
        totals = {name: dict.fromkeys(RATES, 0) for name in ("a", "b", "sum")}
        for line in shown:
            for rate in RATES if line["time"] in begins else ():
                elapsed = (at[line["time"]] - at[begins[line["time"]]]) % 3600
                totals[line.get("instance_name", "sum")][rate] += line[rate] * elapsed
        exact = {"a": [3, 3000, 3000, 0, 0, 0], "b": [3, 70, 70, 7, 2, 0]}
        exact["sum"] = [sum(both) for both in zip(exact["a"], exact["b"])]
        for name, expected in exact.items():
            for rate, total in zip(RATES, expected):
                self.assertAlmostEqual(totals[name][rate], total, delta=0.02 * total + 0.02, msg=f"{name} {rate}")
        last = {line.get("instance_name", "sum"): line["connections"] for line in shown[-3:]}
        self.assertEqual(last, {"a": 3, "b": 3, "sum": 6})

    def test_columns_and_json_say_the_same(self):
        self.daemon("a")
        done = self.run_stat("-i", "0.1", "--count=2", "a")
        lines = done.stdout.splitlines()
        self.assertEqual((done.returncode, done.stderr, len(lines)), (0, "", 3))  # one daemon: no sum
        self.assertEqual(lines[0].split(), TITLES)
        self.assertEqual(lines[1].split(), ["a"] + 7 * ["0"])
        self.assertEqual({len(line) for line in lines}, {76})
        done = self.run_stat("-i", "0.1", "-n1", "--json", "./a")
        line = json.loads(done.stdout)
        self.assertIn('"socket":"./a"', done.stdout)  # "\\/" would be the same text, but harder to read
        self.assertEqual((line["type"], line["instance_name"], line["socket"], line["error"], line["connections"]),
                         ("daemon", "./a", "./a", None, 0))
        self.assertEqual([line[rate] for rate in RATES], 6 * [0])
        self.assertRegex(line["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
        # titles come again, and large numbers are short
        self.assertEqual(self.run_stat("-i", "0.1", "-n21", "a").stdout.count("accepts/s"), 2)

    def test_large_numbers(self):
        shown = []
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as fake:
            fake.bind(self.path("a"))
            fake.listen()
            with self.watching("-i", "0.1", "a") as lines:
                for number in (7, 999999, 1000000, 123456789, 2 ** 64 - 1):
                    peer = fake.accept()[0]
                    peer.sendall(f"echod_connections {number}\n".encode())
                    peer.close()
                lines.wait("^a", 4)
                shown = [line.split()[1] for line in lines.matching("^a")[:4]]
        self.assertEqual(shown, ["999999", "1000k", "123457k", "18447P"])


class Ends(Case):
    def test_a_daemon_that_ends_is_shown_and_comes_back(self):
        daemon = self.daemon("a")
        self.daemon("b")
        with self.watching("-i", "0.1", "a", "b", "never") as lines:
            lines.wait("^a +0 ")
            daemon.stop()
            lines.wait("^a +does not answer: No such file or directory$", 2)
            lines.wait("^never +does not answer: No such file or directory$")
            lines.wait("^b +0 ")
            self.daemon("a")
            lines.wait("^a +0 ", len(lines.matching("^a +0 ")) + 2)
            lines.wait("^sum +0 +0 ")

    def test_a_daemon_that_stands_still(self):
        daemon = self.daemon("a")
        with self.watching("-i", "0.1", "a") as lines:
            lines.wait("^a +0 ")
            daemon.freeze()
            lines.wait("^a +does not answer: Connection timed out$", 2)
            daemon.signal(signal.SIGCONT)
            lines.wait("^a +0 ", len(lines.matching("^a +0 ")) + 2)

    def test_sockets_of_the_service_are_found(self):
        """In a mount namespace in which /run/echod is the test's."""
        harness.require(os.geteuid() == 0, "only root can have a mount namespace")
        for name in ("stats", "stats-1"):
            self.daemon(name)
        script = ('mkdir -p /run/echod && mount --bind "$0" /run/echod && exec "$1" -n1 -i 0.1')
        created = not os.path.isdir("/run/echod")
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script, self.scratch, STAT], capture_output=True, text=True,
                              check=False, timeout=harness.DEADLINE)
        if created:
            os.rmdir("/run/echod")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()], ["daemon", "echod", "1", "sum"])

    def test_what_it_cannot_do_is_said(self):
        for arguments, status, said in (
                (["--count=0"], 2, r"echod-stat: --count=0: must be a whole number from 1 to 4294967295 \(see echod-stat --help\)"),
                (["-i", "1ms"], 2, r"echod-stat: --interval=1ms: must be a time .*"),
                (["-n"], 2, r"echod-stat: -n: needs a value .*"),
                (["--jsom"], 2, r"echod-stat: --jsom: unknown or ambiguous option .*")):
            done = self.run_stat(*arguments)
            self.assertEqual((done.returncode, done.stdout), (status, ""))
            self.assertRegex(done.stderr, f"^{said}\n$")
        if not os.path.exists("/run/echod/stats"):
            done = self.run_stat()
            self.assertEqual((done.returncode, done.stderr), (
                1, "echod-stat: no stats socket in /run/echod; name one (echod --stats-socket=PATH)\n"))
        self.daemon("a")
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([STAT, "-n2", "-i0.1", self.path("a")], stdout=full, stderr=subprocess.PIPE, text=True,
                                  check=False, timeout=harness.DEADLINE)
        self.assertEqual((done.returncode, done.stderr), (1, "echod-stat: standard output: cannot be written\n"))
        done = subprocess.run(f"{STAT} -i0.1 {self.path('a')} | head -n 2", shell=True, capture_output=True, text=True,
                              check=True, timeout=harness.DEADLINE)
        self.assertEqual((len(done.stdout.splitlines()), done.stderr), (2, ""))


class Terminal(Case):
    def test_a_screen(self):
        harness.require(shutil.which("tmux"), "tmux is not installed")
        tmux = ["tmux", "-S", self.path("tmux"), "-f", "/dev/null"]
        daemon = self.daemon("a")
        self.daemon("b")
        subprocess.run([*tmux, "new-session", "-d", "-x", "80", "-y", "24", f"{STAT} -i 0.2 a b"], cwd=self.scratch,
                       check=True, env=dict(os.environ, LC_ALL="C.UTF-8"))
        self.addCleanup(subprocess.run, [*tmux, "kill-server"], check=False)

        def screen():
            return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout

        with connect(daemon.tcp) as peer:
            end = time.monotonic() + harness.DEADLINE
            # the middle of a stream: all columns in their places, on a line each
            while not re.search(r"^a +1 .*[1-9].*\nb +0 .*\nsum +1 .*[1-9]", screen(), re.M) and time.monotonic() < end:
                echo(peer, b"x" * 10000)
        shown = screen()
        print(shown, flush=True)
        lines = [line for line in shown.splitlines() if line]
        self.assertEqual(lines[0].split(), TITLES)
        self.assertTrue(all(line.split()[0] in ("daemon", "a", "b", "sum") for line in lines), shown)


if __name__ == "__main__":
    harness.main()
