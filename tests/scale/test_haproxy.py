# ctest: seconds=300 root
"""packaging/scale/haproxy.cfg before three hosts: connections are spread, the hosts know whose they are, and a host that
stops loses none."""
import contextlib
import csv
import os
import re
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
    def balance(self, *options, header="send-proxy-v2"):
        options = ("--proxy-protocol=192.0.2.1", "--log-connections", *options)
        network = self.network = self.enterContext(Network("haproxy", options=options))
        for number, (host, address) in enumerate(zip(network.hosts, HOSTS)):
            network.start(host, EXPORTER, "--listen=" + address, network.path(f"stats-{number}"))
        with open(os.path.join(SCALE, "haproxy.cfg"), encoding="utf-8") as file:
            text = file.read().replace(" send-proxy-v2 ", f" {header} ")
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

    def exits(self):
        """The clients of the connections that have sent "spread", as the hosts' EXIT lines name them."""
        def lines():
            return [line for daemon in self.network.daemons for line in daemon.lines.matching("^EXIT: .* rx_bytes=6 ")]

        harness.wait_until(lambda: len(lines()) == FLOWS, "the connections to end")
        return sorted(re.search(r" from=(\S+) ", line)[1] for line in lines())

    def test_connections_are_spread_evenly_and_the_hosts_know_the_clients(self):
        """Round robin; health checks, one a second, count as connections, too: those are HAProxy's own."""
        self.balance()
        self.spread()

    def test_the_hosts_know_the_clients_from_version_1(self):
        self.balance(header="send-proxy")
        self.spread()

    def spread(self):
        peers = [connect(PORT, ADDRESS) for _ in range(FLOWS)]
        clients = sorted("%s:%d" % peer.getsockname() for peer in peers)
        for peer in peers:
            self.assertEqual(echo(peer, b"spread"), b"spread")
        opened = [daemon.stats()["tcp_open"] for daemon in self.network.daemons]
        self.assertTrue(all(abs(count - FLOWS / 3) <= FLOWS / 30 for count in opened), opened)
        for peer in peers:
            peer.close()
        self.assertEqual(self.exits(), clients)
        for daemon in self.network.daemons:
            self.assertTrue(daemon.lines.matching(r"^EXIT: .* from=192\.0\.2\.1:\d+ .* rx_bytes=5 "))
            self.assertEqual(daemon.lines.matching("reason=proxy$"), [])

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
