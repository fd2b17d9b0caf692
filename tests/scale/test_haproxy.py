# ctest: seconds=300 root
"""packaging/scale/haproxy.cfg before three hosts: connections are spread, and a host that stops loses none."""
import os
import threading
import unittest

import harness
from hosts import PORT, SCALE, Network
from peers import connect, converse, echo

FLOWS = 300
ADDRESS = "203.0.113.1"


class Balanced(unittest.TestCase):
    def setUp(self):
        self.network = self.enterContext(Network("haproxy"))
        self.network.start(self.network.middle, "haproxy", "-f", os.path.join(SCALE, "haproxy.cfg"))
        self.enterContext(self.network.client.inside())
        harness.wait_until(self.answers, "HAProxy: " + self.network.log())

    def answers(self):
        try:
            with connect(PORT, ADDRESS) as peer:
                return echo(peer, b"up") == b"up"
        except OSError:
            return False

    def test_connections_are_spread_evenly(self):
        """Round robin; health checks, one a second, count as connections, too: those are without bytes of ours."""
        peers = [connect(PORT, ADDRESS) for _ in range(FLOWS)]
        for peer in peers:
            self.assertEqual(echo(peer, b"spread"), b"spread")
        opened = [daemon.stats()["tcp_open"] for daemon in self.network.daemons]
        self.assertTrue(all(abs(count - FLOWS / 3) <= FLOWS / 30 for count in opened), opened)
        for peer in peers:
            peer.close()

    def test_a_host_that_stops_under_load_loses_nothing(self):
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


if __name__ == "__main__":
    harness.main()
