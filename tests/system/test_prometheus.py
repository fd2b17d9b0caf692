# ctest: seconds=300 release unfiltered
"""A real Prometheus reads the exporter in front of a daemon under load: what it knows is what STATS says."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request

import harness
from exporter import Exporter
from peers import connect, echo, receive

PACKAGING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/prometheus")


def setUpModule():
    harness.require(shutil.which("prometheus") and shutil.which("promtool"), "prometheus is not installed")


class Prometheus:
    """A Prometheus that scrapes the exporter each second, with the shipped configuration and rules."""

    def __init__(self, exporter, scratch):
        with open(os.path.join(PACKAGING, "prometheus.yml"), encoding="utf-8") as file:
            config = file.read()
        assert "15s" in config and "127.0.0.1:9862" in config
        config = config.replace("15s", "1s").replace("9862", str(exporter.port))
        shutil.copy(os.path.join(PACKAGING, "echod.rules.yml"), scratch)
        with open(os.path.join(scratch, "prometheus.yml"), "w", encoding="utf-8") as file:
            file.write(config)
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={scratch}/prometheus.yml", f"--storage.tsdb.path={scratch}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error"], stdin=subprocess.DEVNULL)

    def ask(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with contextlib.suppress(ConnectionError, urllib.error.URLError):
            with urllib.request.urlopen(url, timeout=harness.DEADLINE) as answer:
                return json.load(answer)["data"]
        return None

    def values(self, query):
        """The values of an instant query, by their labels."""
        data = self.ask("query", query=query)
        return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in data["result"]} if data else {}

    def value(self, query):
        return next(iter(self.values(query).values()), None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(harness.DEADLINE)


class Shipped(unittest.TestCase):
    def test_rules(self):
        for command in (["check", "rules", "echod.rules.yml"], ["test", "rules", "echod.rules.test.yml"],
                        ["check", "config", "prometheus.yml"]):
            done = subprocess.run(["promtool", *command], cwd=PACKAGING, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_alert_has_a_test_and_is_explained(self):
        def read(*path):
            with open(os.path.join(PACKAGING, *path), encoding="utf-8") as file:
                return file.read()

        alerts = [line.split()[-1] for line in read("echod.rules.yml").splitlines() if "- alert:" in line]
        self.assertGreater(len(alerts), 5)
        for alert in alerts:
            self.assertIn(f"name: {alert} fires\n", read("echod.rules.test.yml"))
            self.assertIn(f"name: {alert} is silent\n", read("echod.rules.test.yml"))
            self.assertIn(f"`{alert}`", read("../../docs/operating.md"))


class Scraped(unittest.TestCase):
    def setUp(self):
        scratch = self.enterContext(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        path = os.path.join(scratch, "stats")
        self.daemon = self.enterContext(harness.Daemon("--stats-socket=" + path))
        self.prometheus = self.enterContext(Prometheus(self.enterContext(Exporter(path)), scratch))

    def wait_value(self, query, value):
        harness.wait_until(lambda: self.prometheus.value(query) == value, f"{query} to be {value}")

    def test_totals_and_rates_are_those_of_stats(self):
        peer = self.enterContext(connect(self.daemon.tcp))
        self.wait_value("echod_up", 1)
        data = b"x" * 4096
        for _ in range(500):
            peer.sendall(data)
            receive(peer, len(data))
        stats = self.daemon.stats()
        self.assertEqual(stats["tcp_sent_bytes"], 500 * 4096)
        self.wait_value('echod_sent_bytes_total{protocol="tcp"}', stats["tcp_sent_bytes"])
        self.wait_value('echod_received_bytes_total{protocol="tcp"}', stats["tcp_received_bytes"])
        self.wait_value("echod_connections", 1)
        self.wait_value("echod_start_time_seconds", stats["start_time_s"])
        # between two of the samples that Prometheus keeps, its rate is the difference over the time between them
        rate = 'irate(echod_sent_bytes_total{protocol="tcp"}[1m])'
        harness.wait_until(lambda: self.prometheus.value(rate) is not None, "a rate")
        samples = self.prometheus.ask("query", query='echod_sent_bytes_total{protocol="tcp"}[2m]')["result"][0]["values"]
        self.assertEqual(float(samples[-1][1]), stats["tcp_sent_bytes"])
        self.assertEqual(sorted(float(value) for _, value in samples), [float(value) for _, value in samples])

    def test_every_query_of_the_dashboard_and_every_rule(self):
        with open(os.path.join(PACKAGING, "grafana.json"), encoding="utf-8") as file:
            panels = json.load(file)["panels"]
        queries = [target["expr"].replace("$__rate_interval", "1m") for panel in panels for target in panel["targets"]]
        self.assertGreater(len(queries), 15)
        with connect(self.daemon.tcp) as peer:
            echo(peer, b"hello")
        for query in queries:
            with self.subTest(query=query):
                harness.wait_until(lambda query=query: self.prometheus.values(query), "an answer to " + query)
        rules = self.prometheus.ask("rules")["groups"][0]["rules"]
        self.assertGreater(len(rules), 5)
        harness.wait_until(lambda: all(rule["health"] == "ok" for rule in self.prometheus.ask("rules")["groups"][0]["rules"]),
                           "the evaluation of the rules")

    def test_a_daemon_that_has_ended(self):
        self.wait_value("echod_up", 1)
        self.daemon.stop()
        self.wait_value("echod_up", 0)


if __name__ == "__main__":
    harness.main()
