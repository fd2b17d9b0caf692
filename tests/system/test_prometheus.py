# ctest: seconds=300 release unfiltered
"""A real Prometheus reads the exporter in front of a daemon under load: what it knows is what STATS says."""
import contextlib
import json
import os
import re
import shutil
import signal
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

    def failing(self, rules):
        """The alerts whose tests fail with these rules."""
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copy(os.path.join(PACKAGING, "echod.rules.test.yml"), scratch)
            with open(os.path.join(scratch, "echod.rules.yml"), "w", encoding="utf-8") as file:
                file.write(rules)
            done = subprocess.run(["promtool", "test", "rules", "echod.rules.test.yml"], cwd=scratch, stderr=subprocess.STDOUT,
                                  stdout=subprocess.PIPE, text=True, check=False)
        return set(re.findall(r"alertname: (\w+), time", done.stdout))

    def test_each_number_of_the_rules_is_tested(self):
        """A minute more or less, half or twice a threshold: promtool's tests of that alert fail."""
        with open(os.path.join(PACKAGING, "echod.rules.yml"), encoding="utf-8") as file:
            head, *rules = re.split(r"(?m)^(?=      - alert: )", file.read())
        for what, pattern, change in (("longer", r"(?<=for: )\d+(?=m$)", lambda value: value + 1),
                                      ("shorter", r"(?<=for: )[1-9]\d*(?=m$)", lambda value: value - 1),
                                      ("higher", r"(?<=> )[\d.]*[1-9]\d*", lambda value: 2 * value),
                                      ("lower", r"(?<=> )[\d.]*[1-9]\d*", lambda value: value / 2)):
            for number in range(2):  # of those that a rule has, one at a time
                changed, text = set(), head
                for rule in rules:
                    found = list(re.finditer(pattern, rule, re.M))[number:number + 1]
                    for one in found:
                        changed.add(rule.split()[2])
                        rule = f"{rule[:one.start()]}{change(float(one[0])):g}{rule[one.end():]}"
                    text += rule
                with self.subTest(what=what, number=number):
                    self.assertTrue(changed or number)
                    self.assertEqual(changed and self.failing(text), changed)

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
        self.rates_are_those_between_samples()

    def rates_are_those_between_samples(self):
        """Between any two: what was added, over the time between them."""
        total = 'echod_sent_bytes_total{protocol="tcp"}'
        samples = self.prometheus.ask("query", query=total + "[5m]")["result"][0]["values"]
        for (before, old), (now, value) in zip(samples, samples[1:]):
            rate = self.prometheus.ask("query", query=f"irate({total}[1m])", time=now)["result"][0]["value"][1]
            self.assertAlmostEqual(float(rate), (float(value) - float(old)) / (now - before), delta=0.01)
        self.assertGreater(len(samples), 1)

    def test_a_reload_resets_no_total(self):
        peer, data = self.enterContext(connect(self.daemon.tcp)), b"x" * 4096
        self.wait_value("echod_up", 1)
        for number in range(1, 4):
            for _ in range(100):
                peer.sendall(data)
                receive(peer, len(data))
            self.daemon.signal(signal.SIGHUP)
            self.daemon.wait_stats(lambda stats, number=number: stats["reloads"] == number, "the reload")
            self.wait_value("echod_reloads_total", number)
            self.wait_value('echod_sent_bytes_total{protocol="tcp"}', number * 100 * len(data))
        self.assertEqual(self.prometheus.value("echod_connections_accepted_total"), 1)
        families = {dict(labels)["__name__"] for labels in self.prometheus.values('{__name__=~"echod_.*_total"}')}
        self.assertGreater(len(families), 15)
        self.assertEqual({family: set(self.prometheus.values(f"resets({family}[5m])").values()) for family in families},
                         {family: {0} for family in families})
        self.assertEqual(self.prometheus.value("changes(echod_start_time_seconds[5m])"), 0)
        self.rates_are_those_between_samples()

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
