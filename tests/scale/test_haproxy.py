# ctest: seconds=300 root
"""packaging/scale/haproxy.cfg before three hosts: connections are spread, and a host that stops loses none."""
import contextlib
import csv
import os
import socket
import threading
import unittest

import harness
from exporter import EXPORTER
from hosts import HOSTS, PORT, SCALE, Network
from peers import connect, converse, echo

FLOWS = 300
ADDRESS = "203.0.113.1"


class Balanced(unittest.TestCase):
    def balance(self, *options):
        network = self.network = self.enterContext(Network("haproxy", options=options))
        for number, (host, address) in enumerate(zip(network.hosts, HOSTS)):
            network.start(host, EXPORTER, "--listen=" + address, network.path(f"stats-{number}"))
        with open(os.path.join(SCALE, "haproxy.cfg"), encoding="utf-8") as file:
            text = file.read()
        self.control = network.path("control")
        network.start(network.middle, "haproxy", "-f",
                      network.file("haproxy.cfg", f"global\n\tstats socket {self.control}\n{text}"))
        self.enterContext(network.client.inside())
        harness.wait_until(lambda: self.states() == ["UP"] * 3 and self.answers(), "HAProxy: " + network.log())

    def servers(self):
        """What HAProxy says of its servers."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as control:
            try:
                control.connect(self.control)
            except OSError:
                return []
            control.sendall(b"show stat\n")
            text = b"".join(iter(lambda: control.recv(65536), b"")).decode()
        return [row for row in csv.DictReader(text.lstrip("# ").splitlines()) if row["svname"].startswith("echod-")]

    def states(self):
        return [row["status"] for row in self.servers() if row["check_status"] == "L7OK" or row["status"] == "DOWN"]

    def answers(self):
        try:
            with connect(PORT, ADDRESS) as peer:
                return echo(peer, b"up") == b"up"
        except OSError:
            return False

    def test_connections_are_spread_evenly(self):
        """Round robin; health checks, one a second, count as connections, too: those are without bytes of ours."""
        self.balance()
        peers = [connect(PORT, ADDRESS) for _ in range(FLOWS)]
        for peer in peers:
            self.assertEqual(echo(peer, b"spread"), b"spread")
        opened = [daemon.stats()["tcp_open"] for daemon in self.network.daemons]
        self.assertTrue(all(abs(count - FLOWS / 3) <= FLOWS / 30 for count in opened), opened)
        for peer in peers:
            peer.close()

    def stop_one_under_load(self):
        """Returns what HAProxy says of the server that was stopped."""
        over, failures, done = threading.Event(), [], [0]
        lasting = [connect(PORT, ADDRESS) for _ in range(FLOWS)]  # from before the stop to after it
        for peer in lasting:
            echo(peer, b"before")

        def load():
            with self.network.client.inside():
                while not over.is_set():
                    try:
                        with connect(PORT, ADDRESS) as peer:
                            back = converse(peer, b"under load" * 1000)
                        if back != b"under load" * 1000:
                            raise ConnectionError(f"{len(back)} bytes came back")
                        done[0] += 1
                    except OSError as error:
                        failures.append(repr(error))

        thread = threading.Thread(target=load)
        thread.start()
        try:
            harness.wait_until(lambda: done[0] > 50, "load")
            stopped = self.network.daemons[0]
            stopped.signal(15)
            harness.wait_until(lambda: stopped.lines.matching("^STOP: reason=(delay-over|signal) connections="), "the drain")
            before = done[0]
            harness.wait_until(lambda: done[0] > before + 100, "load with a host less")
            for peer in lasting:
                self.assertEqual(converse(peer, b"after"), b"after")
                peer.close()
            self.assertEqual(stopped.wait_exit(), 0)
        finally:
            over.set()
            thread.join()
        self.assertEqual(failures, [])
        return self.servers()[0]

    def test_a_host_that_drains_under_load_refuses_nothing(self):
        """HAProxy has left it before its listener closes: no connection to it has to be tried again."""
        self.balance("--drain-delay=5s")
        server = self.stop_one_under_load()
        self.assertEqual([server[name] for name in ("status", "wretr", "wredis", "econ", "eresp")],
                         ["DOWN", "0", "0", "0", "0"])

    def test_a_host_that_stops_at_once_loses_nothing(self):
        """HAProxy learns it from what is refused, and tries another host."""
        self.balance()
        server = self.stop_one_under_load()
        self.assertGreater(int(server["wretr"]) + int(server["wredis"]), 0)


if __name__ == "__main__":
    harness.main()
