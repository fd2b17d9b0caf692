"""--udp-rate and what goes with it: tokens a source, exemptions, trains, and the log."""
import socket
import time
import unittest

import harness
from peers import payload, send_train

SERVER = "198.51.100.1"
CLIENT, NEIGHBOUR = "198.51.100.2", "198.51.100.3"
SERVER6 = "2001:db8:0:9::9"
ONE_SOURCE = ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff")
OTHER_SOURCE = "2001:db8:0:2::1"
RATE = 10
BURST = 2 * RATE


def setUpModule():
    harness.own_network(*(f"{address}/32" for address in (SERVER, CLIENT, NEIGHBOUR)),
                        *(f"{address}/128" for address in (SERVER6, *ONE_SOURCE, OTHER_SOURCE)))


def client(port, source, server=None):
    """A socket of a source, connected to the server."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    peer = socket.socket(family, socket.SOCK_DGRAM)
    peer.settimeout(harness.DEADLINE)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    peer.bind((source, 0))
    peer.connect((server or (SERVER6 if ":" in source else SERVER), port))
    return peer


def waiting(peer):
    """What has come back."""
    peer.setblocking(False)
    found = []
    while True:
        try:
            found.append(peer.recv(1 << 16))
        except BlockingIOError:
            return found


class Rate(unittest.TestCase):
    def setUp(self):
        self.begin = time.monotonic()

    def tokens(self, burst=BURST, rate=RATE):
        """The most tokens that one source can have had since the test began."""
        return burst + rate * (time.monotonic() - self.begin)

    def after(self, daemon, received):
        return daemon.wait_stats(lambda now: now["udp_received"] == received, f"{received} datagrams")

    def test_a_burst_and_what_comes_meanwhile(self):
        with harness.Daemon(f"--udp-rate={RATE}") as daemon, client(daemon.udp, CLIENT) as peer:
            sent = [b"%d" % number for number in range(100)]
            for datagram in sent:
                peer.send(datagram)
            numbers = self.after(daemon, 100)
            self.assertGreaterEqual(numbers["udp_answered"], BURST)
            self.assertLessEqual(numbers["udp_answered"], self.tokens())
            self.assertEqual(numbers["udp_refused_rate"], 100 - numbers["udp_answered"])
            answered = waiting(peer)
            self.assertEqual(len(answered), numbers["udp_answered"])
            self.assertEqual(answered[:BURST], sent[:BURST])

    def test_tokens_come_back(self):
        with harness.Daemon("--udp-rate=100") as daemon, client(daemon.udp, CLIENT) as peer:
            for _ in range(300):
                peer.send(b"x")
            self.after(daemon, 300)
            waiting(peer)

            def served():
                peer.send(b"later")
                return waiting(peer)

            self.assertEqual(harness.wait_until(served, "an answer")[0], b"later")

    def test_each_source_has_its_own(self):
        with harness.Daemon(f"--udp-rate={RATE}") as daemon, \
                client(daemon.udp, CLIENT) as greedy, client(daemon.udp, NEIGHBOUR) as modest:
            for _ in range(100):
                greedy.send(b"x")
            numbers = self.after(daemon, 100)
            self.assertGreater(numbers["udp_refused_rate"], 0)
            for number in range(BURST):
                modest.send(b"%d" % number)
            self.assertEqual([modest.recv(100) for _ in range(BURST)], [b"%d" % n for n in range(BURST)])

    def test_ipv6_by_its_first_64_bits(self):
        with harness.Daemon(f"--udp-rate={RATE}") as daemon:
            peers = [client(daemon.udp, address) for address in ONE_SOURCE]
            for number in range(100):
                peers[number % 2].send(b"x")
            numbers = self.after(daemon, 100)
            self.assertLessEqual(numbers["udp_answered"], self.tokens())
            with client(daemon.udp, OTHER_SOURCE) as other:
                for _ in range(BURST):
                    other.send(b"y")
                for _ in range(BURST):
                    other.recv(100)
            for peer in peers:
                peer.close()

    def test_large_datagrams_cost_more(self):
        """A token pays for 1,500 bytes."""
        with harness.Daemon("--udp-rate=50") as daemon, client(daemon.udp, CLIENT) as peer:
            for _ in range(10):
                peer.send(bytes(65507))  # 44 tokens
            numbers = self.after(daemon, 10)
            self.assertGreaterEqual(numbers["udp_answered"], 100 // 44)
            self.assertLessEqual(numbers["udp_answered"], self.tokens(100, 50) / 44)

    def test_of_a_train_the_first_are_answered(self):
        for gro in ("on", "off"):
            with self.subTest(gro=gro):
                self.begin = time.monotonic()
                with harness.Daemon(f"--udp-rate={RATE}", f"--udp-offload={gro}") as daemon, \
                        client(daemon.udp, CLIENT) as peer:
                    data = payload(64 * 100)
                    send_train(peer, data, 100)
                    numbers = self.after(daemon, 64)
                    answered = waiting(peer)
                    self.assertGreaterEqual(len(answered), BURST)
                    self.assertLessEqual(len(answered), self.tokens())
                    self.assertEqual(numbers["udp_answered"], len(answered))
                    self.assertEqual(numbers["udp_refused_rate"], 64 - len(answered))
                    self.assertEqual(b"".join(answered), data[:100 * len(answered)])

    def everything(self, *options, source=CLIENT, server=None, received=100):
        """A hundred datagrams at once: all of them are answered."""
        with harness.Daemon(*options) as daemon, client(daemon.udp, source, server) as peer:
            for number in range(100):
                peer.send(b"%d" % number)
            self.assertEqual([peer.recv(100) for _ in range(100)], [b"%d" % number for number in range(100)])
            numbers = daemon.stats()
            self.assertEqual((numbers["udp_answered"], numbers["udp_refused_rate"]), (received, 0))
            return numbers, daemon.lines.matching("reason=udp-rate")

    def test_loopback_has_no_limit(self):
        self.everything("--udp-rate=1", source="127.0.0.1", server="127.0.0.1")
        self.everything("--udp-rate=1", source="::1", server="::1")

    def test_a_rate_of_0_is_no_limit(self):
        self.everything("--udp-rate=0")

    def test_the_preset_lets_a_hundred_pass(self):
        self.everything()

    def test_exempt_sources(self):
        exempt = ("--udp-rate=1", "--udp-rate-exempt=203.0.113.0/24", "--udp-rate-exempt=198.51.100.2/31",
                  "--udp-rate-exempt=2001:db8:0:1::/64")
        self.everything(*exempt)
        self.everything(*exempt, source=NEIGHBOUR)
        self.everything(*exempt, source=ONE_SOURCE[0])
        with harness.Daemon(*exempt) as daemon, client(daemon.udp, OTHER_SOURCE) as peer:
            for _ in range(100):
                peer.send(b"x")
            self.assertGreater(self.after(daemon, 100)["udp_refused_rate"], 0)

    def test_log_only(self):
        numbers, lines = self.everything("--udp-rate=1", "--udp-rate-log-only")
        self.assertGreaterEqual(numbers["udp_rate_exceeded"], 100 - self.tokens(2, 1))
        self.assertRegex(lines[0], rf"^EXCEED: proto=udp from={CLIENT}:\d+ reason=udp-rate$")

    def test_one_line_a_second_names_the_source_and_the_option(self):
        with harness.Daemon("--udp-rate=1") as daemon, client(daemon.udp, CLIENT) as peer:
            port = peer.getsockname()[1]
            received = 0
            while time.monotonic() < self.begin + 2.5:
                peer.send(b"x")
                received += 1
                self.after(daemon, received)
            most = 1 + time.monotonic() - self.begin
            lines = daemon.lines.matching("reason=udp-rate")
            self.assertRegex(lines[0], rf"^REFUSE: proto=udp from={CLIENT}:{port} reason=udp-rate$")
            self.assertRegex(lines[1], rf"^REFUSE: proto=udp from={CLIENT}:{port} reason=udp-rate suppressed=\d+$")
            self.assertLessEqual(len(lines), most)


if __name__ == "__main__":
    harness.main()
