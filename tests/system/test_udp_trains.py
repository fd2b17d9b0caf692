"""Trains of datagrams (UDP_SEGMENT at the sender) come back datagram by datagram, however they travel."""
import socket
import unittest

import harness
from network import pair
from peers import cut, payload, send_train

SERVER, SERVER6 = "192.0.2.1", "2001:db8::1"
LARGEST = 65507  # bytes of a train


def setUpModule():
    harness.own_network()


class Trains(unittest.TestCase):
    def setUp(self):
        self.server, self.client = pair()

    def daemon(self, *options, **more):
        return self.server.daemon("--tcp=off", "--port=0", "--udp-rate=0", *options, listens=1, **more)

    def peer(self, daemon, address=SERVER):
        peer = self.client.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        peer.connect((address, daemon.udp))
        return peer

    def comes_back(self, peer, data, segment):
        send_train(peer, data, segment)
        for sent in cut(data, segment):
            self.assertTrue(peer.recv(1 << 16) == sent, (len(data), segment))

    def all_sizes(self, peer):
        """A last datagram that is shorter, equal, of one byte, alone; full trains; many one after another."""
        data, sent = payload(LARGEST), 0
        for segment, count in ((1, 2), (1, 64), (100, 3), (1000, 64), (1400, 46), (1452, 45)):
            for last in {1, segment // 2 or 1, segment}:
                for datagrams in (1, 2, count):
                    length = (datagrams - 1) * segment + last
                    self.comes_back(peer, data[-length:], segment)
                    sent += datagrams
        return sent

    def test_every_shape_over_both_protocols(self):
        """The dual-stack socket and one for each protocol; with trains received as one, and cut up."""
        listens = ((), (f"--listen={SERVER}",), (f"--listen={SERVER6}",))
        for options in listens:
            for gro in ("on", "off"):
                with self.daemon(f"--udp-offload={gro}", *options) as daemon:
                    total = 0
                    for address in (SERVER, SERVER6):
                        if not options or address in options[0]:
                            with self.subTest(options=options, gro=gro, address=address), \
                                    self.peer(daemon, address) as peer:
                                total += self.all_sizes(peer)
                    numbers = daemon.stats()
                    self.assertEqual((numbers["udp_received"], numbers["udp_answered"]), (total, total))
                    self.assertEqual(numbers["udp_received_bytes"], numbers["udp_answered_bytes"])

    def test_a_train_that_the_kernel_refuses_goes_out_singly(self):
        """On the way back a datagram is too large for a packet: it has to be sent in fragments."""
        self.server.run("ip", "route", "add", "192.0.2.2/32", "dev", "wire", "mtu", "600")
        self.server.run("ip", "-6", "route", "add", "2001:db8::2/128", "dev", "wire", "mtu", "1280")
        with self.daemon() as daemon:
            for address in (SERVER, SERVER6):
                with self.peer(daemon, address) as peer:
                    self.comes_back(peer, payload(20 * 1400 + 7), 1400)
                    self.comes_back(peer, payload(20 * 100), 100)
            numbers = daemon.stats()
            self.assertEqual((numbers["udp_received"], numbers["udp_answered"]), (82, 82))

    def test_trains_and_single_datagrams_mixed(self):
        """More than a batch of 64, queued while the daemon is stopped, from two peers."""
        with self.daemon() as daemon, self.peer(daemon) as one, self.peer(daemon, SERVER6) as other:
            data, expected = payload(1200 * 40), {one: [], other: []}
            daemon.signal(19)
            for number in range(100):
                peer = (one, other)[number % 3 == 0]
                start = number * 13
                if number % 2:
                    sent = data[start:start + 100 + number]
                    peer.send(sent)
                    expected[peer].append(sent)
                else:
                    sent = data[start:start + 1200 * 5 + number]
                    send_train(peer, sent, 1200)
                    expected[peer] += cut(sent, 1200)
            daemon.signal(18)
            for peer, datagrams in expected.items():
                for datagram in datagrams:
                    self.assertTrue(peer.recv(1 << 16) == datagram)


if __name__ == "__main__":
    harness.main()
