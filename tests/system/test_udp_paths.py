"""What a network does to datagrams: fragments, vanished and absent peers, link-local ones, DSCP, bursts."""
import contextlib
import re
import shutil
import socket
import subprocess
import unittest

import harness
from network import Forger, pair
from peers import ask, datagram_peer, payload
from test_activation import handed

SERVER, CLIENT = "192.0.2.1", "192.0.2.2"
SERVER6, CLIENT6 = "2001:db8::1", "2001:db8::2"
BUFFER = 4 << 20


def setUpModule():
    harness.own_network()


class Paths(unittest.TestCase):
    def setUp(self):
        self.server, self.client = pair()

    def daemon(self, *options, **more):
        return self.server.daemon("--tcp=off", "--port=0", *options, listens=1, **more)

    def peer(self, address, port):
        peer = self.client.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        peer.connect((address, port))
        return peer

    def test_fragments(self):
        with self.daemon() as daemon:
            for address, largest in ((SERVER, 65507), (SERVER6, 65527)):
                with self.peer(address, daemon.udp) as peer:
                    for size in (1472, 1473, 3000, 65507, largest):
                        with self.subTest(address=address, size=size):
                            data = payload(size, seed=size)
                            self.assertTrue(ask(peer, data) == data)

    def test_unreachable_clients(self):
        """The reply to a vanished client draws an ICMP error; others are served all the same."""
        with self.daemon("--udp-rate=0") as daemon:
            for address in (SERVER, SERVER6):
                with self.peer(address, daemon.udp) as peer:
                    for number in range(50):
                        with self.peer(address, daemon.udp) as gone:
                            gone.send(b"gone")
                        question = b"%d" % number
                        self.assertEqual(ask(peer, question), question)
            numbers = daemon.wait_stats(lambda now: now["udp_received"] == 200, "all questions")
            self.assertEqual((numbers["udp_answered"], numbers["udp_receive_errors"]), (200, 0))

    def test_link_local_peers(self):
        """The scope is kept, and a link-local address is answered from whatever address asks."""
        server, client = self.server.link_local("wire"), self.client.link_local("wire")
        with self.client.inside():
            wire = socket.if_nametoindex("wire")
        with self.daemon() as daemon:
            for source in (client, CLIENT6):
                with self.subTest(source=source), self.client.socket(socket.AF_INET6) as peer:
                    peer.bind((source, 0, 0, wire if source == client else 0))
                    peer.sendto(b"from here", (server, daemon.udp, 0, wire))
                    data, (address, port, _, scope) = peer.recvfrom(100)
                    self.assertEqual((data, address.split("%")[0], port, scope),
                                     (b"from here", server, daemon.udp, wire))

    def test_absent_neighbours(self):
        """A hundred replies wait in vain for a neighbour; meanwhile others are served."""
        with self.daemon() as daemon, self.peer(SERVER, daemon.udp) as peer:
            self.assertEqual(ask(peer, b"before"), b"before")
            forger = Forger(self.client)
            for number in range(100):
                forger.send(f"192.0.2.{100 + number}", 40000, SERVER, daemon.udp)
            for number in range(20):
                self.assertEqual(ask(peer, b"%d" % number), b"%d" % number)
            neighbours = self.server.run("ip", "neighbour", "show", "dev", "wire")
            self.assertEqual(len(re.findall("INCOMPLETE|FAILED", neighbours)), 100)
            numbers = daemon.stats()
            self.assertEqual((numbers["udp_received"], numbers["udp_answered"]), (121, 121))

    def captured(self, exchange, count):
        """What tcpdump at the client's end says of the next count UDP packets."""
        harness.require(shutil.which("tcpdump"), "tcpdump is not installed")
        with self.client.inside():
            tcpdump = subprocess.Popen(
                ["tcpdump", "-i", "wire", "-n", "-v", "-l", "--immediate-mode", "-c", str(count), "udp"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            said = ""
            while "listening on" not in said:
                said += (line := tcpdump.stderr.readline())
                harness.require(line, "tcpdump does not start: " + said)
            exchange()
            return tcpdump.communicate(timeout=harness.DEADLINE)[0]
        finally:
            tcpdump.kill()
            tcpdump.communicate()

    def test_dscp_is_reflected_and_ecn_is_not(self):
        classes = (0xb8, 0xb8 | 3, 0x28 | 1, 0x03, 0x00, 0xfc)
        ways = (("IPv4", SERVER, socket.IPPROTO_IP, socket.IP_TOS, r"tos 0x([0-9a-f]+)"),
                ("IPv6", SERVER6, socket.IPPROTO_IPV6, socket.IPV6_TCLASS, r"IP6 \((?:class 0x([0-9a-f]+))?"))
        for options in ((), ("--dscp=off",)):
            with self.daemon(*options) as daemon:
                for name, address, level, option, pattern in ways:
                    with self.subTest(name, options=options), self.peer(address, daemon.udp) as peer:
                        def exchange():
                            for value in classes:
                                peer.setsockopt(level, option, value)
                                self.assertEqual(ask(peer, b"x"), b"x")

                        said = self.captured(exchange, 2 * len(classes))
                        seen = [int(digits or "0", 16) for digits in re.findall(pattern, said)]
                        replied = [0 if options else value & 0xfc for value in classes]
                        self.assertEqual((seen[::2], seen[1::2]), (list(classes), replied), said)

    def test_dscp_beside_the_socket_for_one_protocol(self):
        for listen, address, level, option in (
                (SERVER, SERVER, socket.IPPROTO_IP, socket.IP_RECVTOS),
                (SERVER6, SERVER6, socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS)):
            with self.daemon(f"--listen={listen}") as daemon, self.peer(address, daemon.udp) as peer:
                send = socket.IP_TOS if level == socket.IPPROTO_IP else socket.IPV6_TCLASS
                peer.setsockopt(level, send, 0xb8)
                peer.setsockopt(level, option, 1)
                peer.send(b"x")
                _, messages, *_ = peer.recvmsg(100, 100)
                self.assertEqual([int.from_bytes(data, "little") for *_, data in messages], [0xb8])

    def test_without_dscp_the_socket_keeps_its_own(self):
        """As a socket unit's IPTOS= has set it; otherwise the request's, even if that is none."""
        for options, replied in ((("--dscp=off",), 0x20), ((), 0)):
            with self.subTest(options=options), self.server.socket(socket.AF_INET) as marked:
                marked.bind((SERVER, 0))
                marked.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x20)
                with self.server.daemon(*options, listens=1, **handed([marked])), \
                        self.peer(SERVER, marked.getsockname()[1]) as peer:
                    peer.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
                    peer.send(b"x")
                    _, messages, *_ = peer.recvmsg(100, 100)
                    self.assertEqual([data[0] for *_, data in messages], [replied])


class Bursts(unittest.TestCase):
    def test_a_thousand_come_back_whole(self):
        with harness.Daemon("--tcp=off") as daemon, datagram_peer(daemon.udp) as peer:
            harness.require(not daemon.lines.matching("^BUFFER: "), "a receive buffer of 4 MiB is not permitted")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            with contextlib.suppress(PermissionError):
                peer.setsockopt(socket.SOL_SOCKET, 33, BUFFER)  # SO_RCVBUFFORCE
            daemon.signal(19)
            for number in range(1000):
                peer.send(b"%d" % number)
            daemon.signal(18)
            self.assertEqual([peer.recv(100) for _ in range(1000)], [b"%d" % number for number in range(1000)])
            self.assertEqual(daemon.stats()["kernel_drops"], 0)

    def test_a_buffer_smaller_than_that_is_logged(self):
        """One that was handed over small stays so without the privilege to change it."""
        harness.require(shutil.which("setpriv"), "setpriv is not installed")
        with open("/proc/sys/net/core/rmem_max", encoding="ascii") as file:
            permitted = int(file.read())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as small:
            small.bind(("127.0.0.1", 0))
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 212992)  # locked at this
            arguments = handed([small])
            drop = ("setpriv", "--inh-caps=-all", "--bounding-set=-net_admin")
            arguments["wrapper"] = (*drop, *arguments["wrapper"])
            with harness.Daemon(listens=1, **arguments) as daemon:
                self.assertRegex("\n".join(daemon.lines.matching("^BUFFER: ")),
                                 r"^BUFFER: proto=udp address=127.0.0.1:\d+ bytes=212992 wanted_bytes=4194304 "
                                 r"burst_datagrams=512 hint=\".*net\.core\.rmem_max\"$")
        with harness.Daemon("--tcp=off", wrapper=drop) as daemon:
            self.assertEqual(len(daemon.lines.matching("^BUFFER: ")), permitted < BUFFER)


if __name__ == "__main__":
    harness.main()
