# ctest: seconds=300 uncounted unfiltered slow
"""The exporter's HTTP: what it says of daemons, bad requests, slow clients, a thousand connections."""
import contextlib
import errno
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import harness
from exporter import EXPORTER, Exporter
from peers import connect, echo

CLIENTS = 1000


def setUpModule():
    harness.require_files(CLIENTS + 100)
    harness.own_network()


class WithDaemons(unittest.TestCase):
    def setUp(self):
        self.scratch = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name="stats"):
        return os.path.join(self.scratch, name)

    def daemon(self, name="stats", *options):
        return self.enterContext(harness.Daemon("--stats-socket=" + self.path(name), *options))

    def exporter(self, *names):
        return self.enterContext(Exporter(*map(self.path, names or ("stats",))))


class Metrics(WithDaemons):
    def test_the_daemons_numbers(self):
        first, second = self.daemon("one"), self.daemon('t"w\\o')
        exporter = self.exporter("one", 't"w\\o', "three")
        with connect(first.tcp) as peer:
            echo(peer, b"hello")
            samples = exporter.samples()
            one, two, three = (f'instance_name="{self.path(name)}"' for name in ("one", 't\\"w\\\\o', "three"))
            self.assertEqual([samples[f"echod_up{{{name}}}"] for name in (one, two, three)], ["1", "1", "0"])
            self.assertEqual([samples[f"echod_connections{{{name}}}"] for name in (one, two)], ["1", "0"])
            self.assertEqual(samples[f'echod_received_bytes_total{{{one},protocol="tcp"}}'], "5")
        stats = first.wait_stats(lambda numbers: numbers["tcp_open"] == 0, "the end of the connection")
        self.assertEqual(samples[f"echod_start_time_seconds{{{one}}}"], str(stats["start_time_s"]))
        self.assertIn("echod_log_lines_lost_total{%s}" % two, samples)
        second.stop()
        self.assertEqual(exporter.samples()[f"echod_up{{{two}}}"], "0")

    def test_promtool(self):
        harness.require(shutil.which("promtool"), "promtool (prometheus) is not installed")
        self.daemon()
        text = self.exporter("stats", "none").get()[2]
        done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_a_daemon_that_stands_still(self):
        daemon, exporter = self.daemon(), self.exporter()
        self.assertEqual(exporter.get("/healthz")[0], 200)
        daemon.freeze()
        try:
            self.assertEqual(exporter.get("/healthz")[0], 503)
            self.assertIn(f'echod_up{{instance_name="{self.path()}"}} 0', exporter.get()[2])
        finally:
            daemon.signal(signal.SIGCONT)
        self.assertEqual(exporter.get("/healthz")[0], 200)

    def test_a_daemon_that_stops(self):
        daemon, exporter = self.daemon("stats", "--drain-delay=1h"), self.exporter("stats")
        self.assertEqual(exporter.get("/healthz")[0], 200)
        daemon.signal(signal.SIGTERM)
        harness.wait_until(lambda: exporter.get("/healthz")[0] == 503, "the exporter to say so")
        self.assertIn(f'echod_up{{instance_name="{self.path()}"}} 1', exporter.get()[2])

    def test_answers_that_are_none(self):
        """Something else listens there: what is no sample is left out, and what never ends is cut off."""
        exporter = self.exporter("other")
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as other:
            other.bind(self.path("other"))
            other.listen()
            for text, expected in (
                    (b"", "0"), (b"cut off", "0"), (b"\n\n\n", "1"), (b"# HELP \n", "1"), (b"# HELP x\nx\n", "1"),
                    (b"x" * 100000, "0"), (b"\0\n", "1"), (b"# HELP a b\n# TYPE a gauge\na{ 1\nb 2\na 3\n", "1")):
                with subprocess.Popen(["curl", "-s", f"http://127.0.0.1:{exporter.port}/metrics"], text=True,
                                      stdout=subprocess.PIPE) as curl:
                    peer = other.accept()[0]
                    with contextlib.suppress(OSError):
                        peer.sendall(text)
                    peer.close()
                    said = curl.communicate(timeout=harness.DEADLINE)[0]
                self.assertIn(f'echod_up{{instance_name="{self.path("other")}"}} {expected}\n', said, text)
                self.assertTrue(said.isprintable() or "\n" in said)


class Requests(WithDaemons):
    def test_paths_and_methods(self):
        self.daemon()
        exporter = self.exporter()
        for path, method, status in (
                ("/", "GET", 200), ("/", "HEAD", 200), ("/?a=b", "GET", 200), ("/metrics", "HEAD", 200),
                ("/healthz", "GET", 200), ("/favicon.ico", "GET", 404), ("/../etc/passwd", "GET", 404),
                ("/metrics", "POST", 405), ("/", "PUT", 405), ("/", "DELETE", 405), ("/", "OPTIONS", 405)):
            with self.subTest(path=path, method=method):
                got, headers, text = exporter.get(path, method, body=b"x" * 100000 if method in ("POST", "PUT") else None)
                self.assertEqual(got, status)
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
                self.assertEqual(text == "", method == "HEAD")

    def test_the_page_brings_everything(self):
        text = self.exporter().get("/")[2]
        self.assertNotIn("http:", text)
        self.assertNotIn("https:", text)
        self.assertNotIn("//", text.replace("// ", ""))

    def test_listens_on_loopback_unless_it_is_told_otherwise(self):
        for options, told in (((), ("127.0.0.1:9862", "[::1]:9862")),
                              (("--listen=127.0.0.9", "--listen=[::1]:9863"), ("127.0.0.9:9862", "[::1]:9863"))):
            with self.subTest(options=options), subprocess.Popen([EXPORTER, *options, self.path()]) as exporter:
                for address in told:
                    page = ["curl", "-s", "--retry-connrefused", "--retry", "9", f"http://{address}/"]
                    self.assertIn("<title>echod</title>", subprocess.run(page, capture_output=True, text=True, check=True).stdout)
                shown = subprocess.run(["ss", "-Hlnt"], capture_output=True, text=True, check=True).stdout
                self.assertEqual(tuple(sorted(line.split()[3] for line in shown.splitlines())), told)
                exporter.terminate()
                self.assertEqual(exporter.wait(harness.DEADLINE), 0)

    def test_listens_where_it_is_told(self):
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            done = subprocess.run([EXPORTER, "--listen=" + address], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr),
                         (1, f"echod-exporter: listen on {address}: Address already in use\n"))
        done = subprocess.run([EXPORTER, "--listen=here"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)


class Hostile(WithDaemons):
    """Whatever they do, the next one is served."""

    def send(self, exporter, data):
        with socket.create_connection(("127.0.0.1", exporter.port), timeout=harness.DEADLINE) as peer, \
                contextlib.suppress(ConnectionError):
            peer.sendall(data)
            try:
                peer.shutdown(socket.SHUT_WR)
            except OSError as error:  # it has been reset already
                self.assertEqual(error.errno, errno.ENOTCONN)
            # some wait for more than there is; the exporter would close them after a while
            while select.select([peer], [], [], 0.02)[0] and peer.recv(65536):
                pass

    def test_fuzzed_requests(self):
        self.daemon()
        exporter, chance = self.exporter(), random.Random(862)
        seeds = [b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n",
                 b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
                 b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                 b"HEAD /%2e%2e/%00?x=%zz&y HTTP/1.1\r\nHost: a\r\nCookie: a=b; c\r\nExpect: 100-continue\r\n\r\n"]
        for number in range(2000):
            data = bytearray(chance.choice(seeds))
            for _ in range(chance.randrange(1, 8)):
                at = chance.randrange(len(data) + 1)
                data[at:at + chance.randrange(4)] = chance.choice(
                    [chance.randbytes(chance.randrange(5)), b"\r\n", b"\0", b"%", b"9" * 30, b"-1", chance.choice(seeds)])
            with self.subTest(number=number, request=bytes(data)):
                self.send(exporter, data)
                self.assertIsNone(exporter.process.poll())
        self.assertEqual(exporter.get()[0], 200)

    def test_requests_that_are_too_long(self):
        self.daemon()
        exporter = self.exporter()
        self.send(exporter, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n")
        self.send(exporter, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100000 + b"\r\n")
        self.assertEqual(exporter.get()[0], 200)

    def test_a_thousand_that_are_slow(self):
        """Half a request each: the next client is served at once, and they are closed for their silence."""
        self.daemon()
        exporter = self.exporter()
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(socket.create_connection(("127.0.0.1", exporter.port))) for _ in range(CLIENTS)]
            for peer in slow:
                peer.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
            self.assertEqual(exporter.get()[0], 200)
            with open(f"/proc/{exporter.process.pid}/status", encoding="ascii") as status:
                resident = next(line for line in status if line.startswith("VmRSS"))
            print(f"{CLIENTS} slow clients, {resident}", flush=True)
            for peer in slow:
                self.assertTrue(select.select([peer], [], [], harness.DEADLINE)[0], "a silent client stays connected")
        self.assertEqual(exporter.get()[0], 200)

    def test_clients_that_do_not_read(self):
        self.daemon()
        exporter = self.exporter()
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                peer = stack.enter_context(socket.socket())
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                peer.connect(("127.0.0.1", exporter.port))
                peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
            self.assertEqual(exporter.get()[0], 200)


if __name__ == "__main__":
    harness.main()
