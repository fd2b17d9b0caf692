# ctest: seconds=300 container root
"""The stats socket and the exporter as installed: the counters are there for every user, and reading them neither starts
the daemon nor keeps it."""
import http.client
import os
import signal
import unittest

import harness
from container import installed
from test_service import HOSTS, one_echo

ECHO = ("echod.socket", "echod-udp.socket")
STATS = "echod-stats.socket"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

machine = None


def setUpModule():
    global machine
    machine = installed()


def counters():
    """What any user reads, as the documents say: samples by name; None when nothing listens."""
    done = machine.run(*NOBODY, "nc", "-dU", "/run/echod/stats", check=False)
    if done.returncode:
        return None
    return dict(line.rsplit(" ", 1) for line in done.stdout.splitlines() if not line.startswith("#"))


def get(path, host="127.0.0.1"):
    client = http.client.HTTPConnection(host, 9862, timeout=harness.DEADLINE)
    client.request("GET", path)
    response = client.getresponse()
    return response.status, response.read().decode()


class Counters(unittest.TestCase):
    def setUp(self):
        machine.run("systemctl", "start", *ECHO)
        one_echo()

    def ended(self):
        """Waits for the end of the service; reading finds no socket, and starts nothing."""
        harness.wait_until(lambda: machine.active("echod.service") == "inactive", "the end of the service")
        harness.wait_until(lambda: machine.active(STATS) == "inactive", "the end of its stats socket")
        for _ in range(3):
            self.assertIsNone(counters())
        self.assertNotEqual(machine.run("test", "-e", "/run/echod/stats", check=False).returncode, 0)
        self.assertEqual([machine.active(unit) for unit in ("echod.service", STATS, *ECHO)],
                         ["inactive", "inactive", "active", "active"])

    def test_any_user_reads_them_and_reading_starts_nothing(self):
        before = counters()
        one_echo()
        harness.wait_until(lambda: int(counters()["echod_connections_accepted_total"]) ==
                           int(before["echod_connections_accepted_total"]) + 1, "the connection to be counted")
        machine.run("systemctl", "stop", "echod.service")
        self.ended()
        one_echo()
        self.assertEqual(counters()["echod_connections_accepted_total"], "1")

    def test_they_come_back_with_the_service(self):
        for _ in range(10):
            killed = machine.host_pid("echod.service")
            os.kill(killed, signal.SIGKILL)
            harness.wait_until(lambda killed=killed: machine.host_pid("echod.service") not in (None, killed), "another daemon")
            one_echo()
            self.assertEqual(harness.wait_until(counters, "the counters")["echod_connections_accepted_total"], "1")
        for command in ("restart", "reload"):
            for _ in range(3):
                machine.run("systemctl", command, "echod.service")
                one_echo()
                self.assertTrue(harness.wait_until(counters, "the counters"))
        self.assertEqual(counters()["echod_connections_accepted_total"], "4")  # three reloads since the last restart
        self.assertEqual([machine.active(unit) for unit in (STATS, *ECHO)], ["active"] * 3)

    def test_reading_is_no_activity(self):
        machine.write("/etc/echod/echod.conf", "exit-idle-time = 1s\n")
        self.addCleanup(machine.run, "sh", "-c", ": >/etc/echod/echod.conf; systemctl restart echod.service")
        machine.run("systemctl", "restart", "echod.service")
        one_echo()
        harness.wait_until(lambda: counters() is None, "the end of a daemon that is read all the time")
        self.ended()

    def test_without_sockets_for_echoes_there_is_no_service(self):
        machine.run("systemctl", "stop", *ECHO)
        harness.wait_until(lambda: machine.active("echod.service") == "inactive", "the end of the service")
        machine.run("systemctl", "start", STATS, check=False)
        harness.wait_until(lambda: machine.active("echod.service") == "failed", "the service to fail")
        self.assertIn("no sockets were handed over", machine.journal("echod.service"))
        self.assertNotEqual(machine.active(STATS), "active")
        machine.run("systemctl", "reset-failed")


class Exporter(unittest.TestCase):
    def test_it_answers_on_loopback_in_its_cage_and_leaves_nothing(self):
        machine.run("dpkg", "--install", machine.exporter)
        machine.run("systemctl", "start", *ECHO)
        one_echo()
        self.assertEqual([machine.active(f"echod-exporter.{kind}") for kind in ("socket", "service")], ["inactive"] * 2)
        machine.run("systemctl", "enable", "--now", "echod-exporter.socket")
        self.assertEqual([machine.active(f"echod-exporter.{kind}") for kind in ("socket", "service")], ["active", "inactive"])
        for host in HOSTS.values():
            with self.subTest(host=host):
                self.assertEqual(get("/healthz", host), (200, "ok\n"))
                self.assertIn('\nechod_up{instance_name="echod"} 1\n', "\n" + get("/metrics", host)[1])
                self.assertIn("<title>echod</title>", get("/", host)[1])
        process = f"/proc/{machine.host_pid('echod-exporter.service')}"
        with open(process + "/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
        self.assertNotIn("0", status["Uid"].split())
        self.assertEqual((int(status["CapEff"], 16), status["NoNewPrivs"], status["Seccomp"]), (0, "1", "2"))
        machine.run("systemd-analyze", "security", "--no-pager", "--threshold=3", "echod-exporter.service")
        machine.run("systemctl", "stop", "echod.service")
        self.assertEqual((get("/healthz")[0], machine.active("echod.service")), (503, "inactive"))
        one_echo()
        self.assertEqual(get("/healthz")[0], 200)
        machine.run("dpkg", "--purge", "echod-exporter")
        with self.assertRaises(ConnectionRefusedError):
            get("/healthz")
        self.assertEqual(machine.run("systemctl", "list-unit-files", "--no-legend", "echod-exporter*", check=False).stdout, "")


if __name__ == "__main__":
    harness.main()
