# ctest: release refused
"""The system calls of datagrams, below strace: how few they are, and what when one is refused. Release only."""
import contextlib
import socket
import unittest

import harness
from network import pair
from peers import ask, cut, payload, send_train
from test_system_calls import Traced

SERVER = "192.0.2.1"


def setUpModule():
    harness.own_network()


class SystemCalls(unittest.TestCase):
    def setUp(self):
        self.server, self.client = pair()

    def traced(self, *options):
        with self.server.inside():
            return Traced("--tcp=off", "--port=0", "--udp-rate=0", *options)

    def peer(self, daemon):
        peer = self.client.socket(socket.AF_INET)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        peer.connect((SERVER, daemon.udp))
        return peer

    def moved(self, traced, count):
        """The calls that move datagrams, once there are count of them: (name, result, error)."""
        def made():
            calls = [(name, result, error) for name, _, result, error in traced.calls()
                     if "msg" in name and result is not None]
            return len(calls) >= count and calls

        return harness.wait_until(made, f"{count} calls")

    def burst(self, n_peers, *options):
        """The calls for 63 datagrams of 8 bytes, queued from so many peers in turn, and their replies in order."""
        with self.traced(*options) as traced, contextlib.ExitStack() as stack:
            peers = [stack.enter_context(self.peer(traced.daemon)) for _ in range(n_peers)]
            traced.daemon.signal(19)
            for number in range(63):
                peers[number % n_peers].send(b"%08d" % number)
            traced.daemon.signal(18)
            for number in range(63):
                self.assertEqual(peers[number % n_peers].recv(100), b"%08d" % number)
            return self.moved(traced, 2)

    def test_a_queued_burst_takes_two_beside_the_wait_and_a_message_a_peer(self):
        self.assertEqual(self.burst(1), [("recvmmsg", "63", None), ("sendmmsg", "1", None)])
        self.assertEqual(self.burst(3), [("recvmmsg", "63", None), ("sendmmsg", "3", None)])
        self.assertEqual(self.burst(1, "--udp-offload=off"), [("recvmmsg", "63", None), ("sendmmsg", "63", None)])

    def test_a_train_takes_two(self):
        with self.traced() as traced, self.peer(traced.daemon) as peer:
            data = payload(64 * 1000 - 1)
            send_train(peer, data, 1000)
            for sent in cut(data, 1000):
                self.assertEqual(peer.recv(1 << 16), sent)
            self.assertEqual(self.moved(traced, 2), [("recvmmsg", "1", None), ("sendmmsg", "1", None)])

    def test_a_train_that_the_kernel_refuses_takes_one_more_for_each_datagram(self):
        self.server.run("ip", "route", "add", "192.0.2.2/32", "dev", "wire", "mtu", "600")
        with self.traced() as traced, self.peer(traced.daemon) as peer:
            data = payload(5 * 1400 - 1)
            send_train(peer, data, 1400)
            for sent in cut(data, 1400):
                self.assertEqual(peer.recv(1 << 16), sent)
            calls = self.moved(traced, 7)
            self.assertEqual([name for name, *_ in calls], ["recvmmsg", "sendmmsg"] + ["sendmsg"] * 5)
            self.assertEqual(calls[1][1], "-1")
            self.assertEqual([result for _, result, _ in calls[2:]], ["1400"] * 4 + ["1399"])

    def test_no_broadcast_is_sent_and_no_group_is_joined(self):
        with self.traced() as traced, self.peer(traced.daemon) as peer:
            self.assertEqual(ask(peer, b"x"), b"x")
            with open(traced.log, encoding="utf-8", errors="replace") as file:
                options = "".join(line for line in file if "setsockopt" in line)
        self.assertIn("IPV6_RECVPKTINFO", options)
        self.assertNotRegex(options, "SO_BROADCAST|MEMBERSHIP|JOIN|MCAST")

    def test_a_socket_that_does_not_tell_the_address_that_was_hit_is_not_served(self):
        strace = ("strace", "-qq", "-o", "/dev/null", "-e", "inject=setsockopt:error=ENOPROTOOPT")
        for address in ("127.0.0.1", "::1"):
            with self.subTest(address=address):
                status, lines = harness.run_daemon("--tcp=off", "--port=0", f"--listen={address}", wrapper=strace)
                self.assertEqual((status, len(lines)), (1, 1), lines)
                for word in (address, "UDP", "IP_PKTINFO"):
                    self.assertIn(word, lines[0])


if __name__ == "__main__":
    harness.main()
