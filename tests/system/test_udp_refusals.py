# ctest: refused
"""What the UDP echo does not answer: refused in silence, and counted by reason. Real packets, two hosts."""
import socket
import unittest

import harness
from network import Forger, Wiretap, pair
from peers import ask

SERVER, CLIENT = "192.0.2.1", "192.0.2.2"
SERVER6, CLIENT6 = "2001:db8::1", "2001:db8::2"
PORT = 40000  # a client's, answered
ECHO = 5007
REASONS = ("truncated", "source", "destination", "port", "rate")
SERVICES = (1900, 2049, 3702, 5353, 5355, 11211)


def setUpModule():
    harness.own_network()


class Refusals(unittest.TestCase):
    def setUp(self):
        self.server, self.client = pair()
        self.tap = Wiretap(self.client)
        self.forger = Forger(self.client)

    def daemon(self, *options, **more):
        return self.server.daemon("--tcp=off", *(options or (f"--port={ECHO}",)), listens=1, **more)

    def exchange(self):
        """A datagram each over IPv4 and IPv6, so that the neighbours know each other and all is over."""
        for family, address in ((socket.AF_INET, SERVER), (socket.AF_INET6, SERVER6)):
            with self.client.socket(family) as peer:
                peer.bind(("", PORT))
                peer.connect((address, ECHO))
                self.assertEqual(ask(peer, b"fence"), b"fence")

    def refused(self, daemon, packets, reason):
        """Sends the packets (source, source port, target); every one must be refused for this reason."""
        self.exchange()
        before = daemon.stats()
        self.tap.seen()
        for source, port, target in packets:
            with self.subTest(source=source, port=port, target=target):
                self.forger.send(source, port, target, ECHO)
                before[f"udp_refused_{reason}"] += 1
                before["udp_received"] += 1
                after = daemon.wait_stats(lambda now: now["udp_received"] == before["udp_received"], "the packet")
                for other in REASONS:
                    name = f"udp_refused_{other}"
                    self.assertEqual(after[name], before[name], name)
                self.assertEqual(after["udp_answered"], before["udp_answered"])
        self.exchange()
        self.assertEqual(self.tap.seen(arrived_only=True), [(ECHO, PORT)] * 2)

    def test_ports(self):
        ports = (0, 1, 7, 9, 13, 17, 19, 53, 69, 123, 161, 389, 1023, ECHO, *SERVICES)
        with self.daemon() as daemon:
            self.refused(daemon, [(CLIENT, port, SERVER) for port in ports], "port")
            self.refused(daemon, [(CLIENT6, port, SERVER6) for port in ports], "port")

    def test_ports_beside_those_are_answered(self):
        ports = {port + step for port in (*SERVICES, ECHO) for step in (-1, 1)} | {1024, 65535}
        with self.daemon():
            for family, address in ((socket.AF_INET, SERVER), (socket.AF_INET6, SERVER6)):
                for port in ports:
                    with self.subTest(port=port), self.client.socket(family) as peer:
                        peer.bind(("", port))
                        peer.connect((address, ECHO))
                        self.assertEqual(ask(peer, b"%d" % port), b"%d" % port)

    def test_every_port_that_the_daemon_answers_on(self):
        """Whichever socket they come in on, and only the UDP ones."""
        options = (f"--listen={SERVER}:{ECHO}", f"--listen=[{SERVER6}]:{ECHO}", f"--listen={SERVER}:6007")
        with self.server.daemon("--tcp=off", *options, listens=3) as daemon:
            self.refused(daemon, [(CLIENT, 6007, SERVER), (CLIENT6, 6007, SERVER6)], "port")

    def test_ports_allowed_and_refused_by_options(self):
        options = (f"--port={ECHO}", "--udp-allow-source-port=123", "--udp-allow-source-port=5353",
                   "--udp-refuse-source-port=4444", "--udp-refuse-source-port=65535",
                   "--udp-refuse-source-port=2222", "--udp-allow-source-port=2222",
                   f"--udp-allow-source-port={ECHO}")
        with self.daemon(*options) as daemon:
            self.assertEqual(len(daemon.lines.matching(f"^IGNORE: option=udp-allow-source-port value={ECHO} ")), 1)
            # refused wins, in whatever order; and the daemon's own port cannot be allowed
            self.refused(daemon, [(CLIENT, port, SERVER) for port in (4444, 65535, 2222, ECHO, 122, 1900)], "port")
            for port in (123, 5353):
                with self.client.socket(socket.AF_INET) as peer:
                    peer.bind(("", port))
                    peer.connect((SERVER, ECHO))
                    self.assertEqual(ask(peer, b"allowed"), b"allowed")

    def test_broadcast_and_multicast(self):
        ipv4 = [(CLIENT, PORT, target) for target in ("192.0.2.255", "255.255.255.255", "224.0.0.1")]
        ipv6 = [(CLIENT6, PORT, "ff02::1"), (self.client.link_local("wire"), PORT, "ff02::1")]
        with self.daemon(f"--listen=0.0.0.0:{ECHO}", f"--listen=[::]:{ECHO}") as daemon:
            self.refused(daemon, ipv4 + ipv6, "destination")
        with self.daemon() as daemon:
            # a socket for both families is not given IPv4 multicast of groups that it has not joined
            self.refused(daemon, ipv4[:2] + ipv6, "destination")

    def test_sources_that_are_no_hosts(self):
        with self.daemon() as daemon:
            self.refused(daemon, [("::", PORT, SERVER6)], "source")

    def test_an_ipv4_source_in_an_ipv6_packet(self):
        """The kernel lets it in; answered, it would leave over IPv4, to whomever it names."""
        with self.daemon() as daemon:
            self.refused(daemon, [(f"::ffff:{CLIENT}", PORT, SERVER6)], "destination")

    def test_loopback_from_outside(self):
        for name in ("route_localnet", "accept_local"):
            self.server.set(f"net.ipv4.conf.wire.{name}", 1)
        with self.daemon() as daemon:
            self.refused(daemon, [("127.0.0.1", PORT, SERVER), ("127.255.0.9", PORT, SERVER)], "source")
            with self.server.socket(socket.AF_INET) as peer:
                peer.connect(("127.0.0.1", ECHO))
                self.assertEqual(ask(peer, b"true loopback"), b"true loopback")


if __name__ == "__main__":
    harness.main()
