"""Two daemons that a forged datagram points at each other (CVE-1999-0103, CVE-2024-2169)."""
import socket
import time
import unittest

import harness
from network import Forger, Wiretap, pair
from peers import ask

ONE, OTHER = "192.0.2.1", "192.0.2.2"
RATE = 20
CLIENT = 40000


def setUpModule():
    harness.own_network()


class Loops(unittest.TestCase):
    """The forger sits on the other's host, and forges the other's own address: nothing stops it there."""

    def setUp(self):
        self.one_host, self.other_host = pair()
        self.tap = Wiretap(self.one_host)

    def start(self, host, port, *options):
        return host.daemon("--tcp=off", f"--port={port}", *options, listens=1)

    def exchange(self, port):
        with self.other_host.socket(socket.AF_INET) as peer:
            peer.bind(("", CLIENT))
            peer.connect((ONE, port))
            self.assertEqual(ask(peer, b"fence"), b"fence")

    def test_equal_ports_stop_at_once(self):
        with self.start(self.one_host, 5007) as one, self.start(self.other_host, 5007) as other:
            self.exchange(5007)
            self.tap.seen()
            Forger(self.other_host).send(OTHER, 5007, ONE, 5007)
            one.wait_stats(lambda now: now["udp_refused_port"] == 1, "the forged datagram")
            self.exchange(5007)
            self.assertEqual([ports for ports in self.tap.seen() if CLIENT not in ports], [(5007, 5007)])
            self.assertEqual(other.stats()["udp_received"], 0)

    def test_different_ports_are_held_to_the_rate(self):
        """It goes round until a burst of tokens, twice the rate, and what has come since is spent."""
        with self.start(self.one_host, 5007, f"--udp-rate={RATE}") as one, \
                self.start(self.other_host, 6007, f"--udp-rate={RATE}") as other:
            begin = time.monotonic()
            Forger(self.other_host).send(OTHER, 6007, ONE, 5007)
            harness.wait_until(lambda: one.stats()["udp_refused_rate"] + other.stats()["udp_refused_rate"] == 1,
                               "the end of the loop")
            end = time.monotonic()
            received = one.stats()["udp_received"] + other.stats()["udp_received"]
            self.assertGreaterEqual(received, 4 * RATE)
            self.assertLessEqual(received, 4 * RATE + 2 + 2 * RATE * (end - begin))

    def test_different_ports_stop_at_once_where_one_is_refused(self):
        with self.start(self.one_host, 5007, "--udp-refuse-source-port=6007") as one, \
                self.start(self.other_host, 6007) as other:
            self.exchange(5007)
            self.tap.seen()
            Forger(self.other_host).send(OTHER, 6007, ONE, 5007)
            one.wait_stats(lambda now: now["udp_refused_port"] == 1, "the forged datagram")
            self.exchange(5007)
            self.assertEqual([ports for ports in self.tap.seen() if CLIENT not in ports], [(6007, 5007)])
            self.assertEqual(other.stats()["udp_received"], 0)


if __name__ == "__main__":
    harness.main()
