"""--max-connections-per-source: an IPv4 address is one source, and so is a /64 of IPv6, unless many hosts share it."""
import socket
import unittest

import harness
from peers import connect, echo, is_refused

SERVER = "2001:db8:0:9::9"
ONE_SOURCE = ("2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff:ffff:ffff:ffff")
OTHER_SOURCES = ("2001:db8:0:2::1", "2001:db8:1:1::1")


LOOPBACK = 1  # its index
# of prefixes that many hosts share
ON_LINK = ("fe80::1", "fe80::2")
NAT64 = ("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2")


def setUpModule():
    harness.own_network(*(f"{address}/128" for address in (SERVER, *ONE_SOURCE, *OTHER_SOURCES, *ON_LINK, *NAT64)))


class Sources(unittest.TestCase):
    def served(self, peer):
        self.assertEqual(echo(peer, b"served"), b"served")

    def test_ipv4_by_address(self):
        with harness.Daemon("--max-connections-per-source=2") as daemon:
            first, second = connect(daemon.tcp), connect(daemon.tcp)
            self.served(first)
            self.served(second)
            for _ in range(3):
                self.assertTrue(is_refused(daemon.tcp))
            with connect(daemon.tcp, source="127.0.0.2") as other:
                self.served(other)
            self.served(first)
            # a connection that ends makes room for one more of the same source, and only one
            first.close()
            daemon.wait_stats(lambda now: now["tcp_open"] == 1, "the others to leave")
            with connect(daemon.tcp) as third:
                self.served(third)
                self.assertTrue(is_refused(daemon.tcp))
            second.close()

    def test_ipv6_by_its_first_64_bits(self):
        with harness.Daemon("--max-connections-per-source=2") as daemon:
            peers = [connect(daemon.tcp, SERVER, source=address) for address in ONE_SOURCE[:2]]
            for peer in peers:
                self.served(peer)
            for address in ONE_SOURCE:
                self.assertTrue(is_refused(daemon.tcp, SERVER, source=address))
            peers += [connect(daemon.tcp, SERVER, source=address) for address in OTHER_SOURCES]
            peers.append(connect(daemon.tcp, "127.0.0.1"))
            for peer in peers:
                self.served(peer)
                peer.close()

    def test_hosts_that_share_a_prefix_are_sources_of_their_own(self):
        """Every host on the link has fe80::/64, every IPv4 host behind NAT64 64:ff9b::/96."""
        with harness.Daemon("--max-connections-per-source=1") as daemon:
            with connect(daemon.tcp, SERVER, source=NAT64[0]) as first, \
                    connect(daemon.tcp, SERVER, source=NAT64[1]) as second:
                self.served(first)
                self.served(second)
                self.assertTrue(is_refused(daemon.tcp, SERVER, source=NAT64[0]))
            peers = [socket.socket(socket.AF_INET6, socket.SOCK_STREAM) for _ in ON_LINK]
            for peer, source in zip(peers, ON_LINK):
                peer.settimeout(harness.DEADLINE)
                peer.bind((source, 0, 0, LOOPBACK))
                peer.connect((ON_LINK[0], daemon.tcp, 0, LOOPBACK))
                self.served(peer)
            for peer in peers:
                peer.close()

    def test_each_of_many_sources_has_its_share(self):
        with harness.Daemon("--max-connections-per-source=1") as daemon:
            for _ in range(2):
                peers = [connect(daemon.tcp, source=f"127.0.{n // 100}.{1 + n % 100}") for n in range(500)]
                for peer in peers:
                    self.served(peer)
                self.assertTrue(is_refused(daemon.tcp, source="127.0.2.50"))
                for peer in peers:
                    peer.close()
                daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")

    def test_without_the_limit_one_source_may_have_all(self):
        with harness.Daemon("--max-connections-per-source=0") as daemon:
            peers = [connect(daemon.tcp) for _ in range(100)]
            for peer in peers:
                self.served(peer)
                peer.close()


if __name__ == "__main__":
    harness.main()
