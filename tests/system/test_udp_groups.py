# ctest: uncounted
"""Replies that leave as one message (UDP_SEGMENT) arrive as they would alone, over a real path between two hosts."""
import collections
import socket
import struct
import unittest

import harness
from network import Wiretap, pair
from peers import cut, payload, send_train

SERVER, SERVER6 = "192.0.2.1", "2001:db8::1"
OTHER, OTHER6 = "192.0.2.3", "2001:db8::3"
MOST = 1 << 16


def setUpModule():
    harness.own_network()


class Peer:
    """A socket that says of each reply where it came from and with which DSCP."""

    def __init__(self, host, address):
        self.is_v6 = ":" in address
        self.socket = host.socket(socket.AF_INET6 if self.is_v6 else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        if self.is_v6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        else:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)

    def send(self, data, to, dscp=0):
        if self.is_v6:
            beside = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS, struct.pack("i", dscp << 2))
        else:
            beside = (socket.IPPROTO_IP, socket.IP_TOS, struct.pack("i", dscp << 2))
        self.socket.sendmsg([data], [beside], 0, to)

    def received(self, count):
        """[(bytes, (address, port), DSCP)]"""
        replies = []
        for _ in range(count):
            data, beside, _, source = self.socket.recvmsg(MOST, 256)
            replies.append((data, source[:2], beside[0][2][0] >> 2))
        return replies


class Groups(unittest.TestCase):
    def setUp(self):
        self.server, self.client = pair()
        self.server.addresses("wire", OTHER + "/24", OTHER6 + "/64")

    def daemon(self, *options):
        return self.server.daemon("--tcp=off", "--port=0", "--udp-rate=0", *options, listens=1)

    def balanced(self, daemon, count):
        numbers = daemon.stats()
        self.assertEqual((numbers["udp_received"], numbers["udp_answered"]), (count, count), numbers)
        self.assertEqual(numbers["udp_received_bytes"], numbers["udp_answered_bytes"])

    def conversation(self, *options):
        """What each of four peers receives for the same 300 datagrams, queued while the daemon is stopped."""
        data, replies = payload(100_000), {}
        with self.daemon(*options) as daemon:
            peers = [Peer(self.client, address) for address in (SERVER, SERVER, SERVER6, SERVER6)]
            expected = collections.defaultdict(list)
            daemon.signal(19)
            for number in range(300):
                peer = peers[number * 7 % 4 if number % 5 else 0]
                to = ((OTHER6, OTHER) if number % 50 == 49 else (SERVER6, SERVER))[not peer.is_v6]
                size = (64, 64, 64, 63, 1200, 1200, 3000, 0)[number * number % 8 if number % 3 else 0]
                sent = data[number * 97:number * 97 + size]
                peer.send(sent, (to, daemon.udp), 46 if number % 20 > 17 else 0)
                expected[peer].append((sent, (to, daemon.udp), 46 if number % 20 > 17 else 0))
            daemon.signal(18)
            for number, peer in enumerate(peers):
                replies[number] = peer.received(len(expected[peer]))
                self.assertEqual(replies[number], expected[peer])
                peer.socket.close()
            self.balanced(daemon, 300)
        return [[(data, source[0], dscp) for data, source, dscp in each] for each in replies.values()]

    def test_peers_see_no_difference(self):
        self.assertEqual(self.conversation("--udp-offload=on"), self.conversation("--udp-offload=off"))

    def test_larger_than_the_path(self):
        """3,000 bytes over an MTU of 1,500 go out as fragments, which no group can."""
        with self.daemon() as daemon:
            for address in (SERVER, SERVER6):
                peer = Peer(self.client, address)
                for _ in range(3):
                    sent = [payload(3000, seed) for seed in range(20)]
                    daemon.signal(19)
                    for data in sent:
                        peer.send(data, (address, daemon.udp))
                    daemon.signal(18)
                    self.assertEqual([data for data, *_ in peer.received(20)], sent)
                peer.socket.close()
            self.balanced(daemon, 2 * 3 * 20)

    def test_trains_and_neighbours_are_joined(self):
        with self.daemon() as daemon:
            peer, data = Peer(self.client, SERVER), payload(30_000)
            peer.socket.connect((SERVER, daemon.udp))
            daemon.signal(19)
            send_train(peer.socket, data[:10_000], 1000)
            peer.socket.send(data[10_000:11_000])
            send_train(peer.socket, data[11_000:15_500], 1000)
            peer.socket.send(data[15_500:16_500])
            daemon.signal(18)
            expected = cut(data[:15_500], 1000) + [data[15_500:16_500]]
            self.assertEqual([data for data, *_ in peer.received(len(expected))], expected)
            self.balanced(daemon, len(expected))
            peer.socket.close()

    def packets(self, *options):
        """The sizes of the packets that leave the server for 40 datagrams of 100 bytes."""
        with self.daemon(*options) as daemon:
            peer = Peer(self.client, SERVER)
            peer.send(b"the neighbours meet", (SERVER, daemon.udp))
            peer.received(1)
            tap = Wiretap(self.server)
            daemon.signal(19)
            for number in range(40):
                peer.send(bytes([number]) * 100, (SERVER, daemon.udp))
            daemon.signal(18)
            self.assertEqual([data[0] for data, *_ in peer.received(40)], list(range(40)))
            peer.socket.close()
            return [size for ports, size in tap.sizes() if ports[0] == daemon.udp]

    def test_captures_see_a_group_as_one_unless_the_device_takes_none(self):
        self.assertEqual(self.packets("--udp-offload=off"), [100] * 40)
        self.assertEqual(self.packets(), [4000])
        self.server.run("ip", "link", "set", "wire", "gso_max_segs", "1")
        self.assertEqual(self.packets(), [100] * 40)


if __name__ == "__main__":
    harness.main()
