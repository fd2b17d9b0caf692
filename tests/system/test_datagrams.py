"""The UDP echo: every size unchanged, from the address that was hit, whatever TCP does meanwhile."""
import socket
import threading
import unittest

import harness
from peers import ask, connect, converse, datagram_peer, payload

LARGEST = {"127.0.0.1": 65507, "::1": 65527}  # 65535 less the headers


def sizes(largest):
    """Densely where buffers and packets have their edges, sparsely between."""
    chosen = set(range(0, 130)) | set(range(0, largest, 499)) | set(range(largest - 40, largest + 1))
    for power in range(8, 17):
        chosen |= set(range((1 << power) - 3, (1 << power) + 4))
    for packet in (1280, 1500, 9000, 65536 - 48):
        chosen |= set(range(packet - 60, packet + 3))
    return sorted(size for size in chosen if size <= largest)


class Datagrams(unittest.TestCase):
    def test_every_size_comes_back_unchanged(self):
        with harness.Daemon() as daemon:
            data = payload(65527)
            for host, largest in LARGEST.items():
                with datagram_peer(daemon.udp, host) as peer:
                    for size in sizes(largest):
                        # a different part each time: a stale buffer must not pass
                        sent = data[len(data) - size:] if size % 2 else data[:size]
                        self.assertTrue(ask(peer, sent) == sent, f"{size} bytes to {host}")

    def test_every_datagram_is_counted(self):
        with harness.Daemon() as daemon, datagram_peer(daemon.udp) as peer:
            for size in (0, 1, 1000):
                ask(peer, bytes(size))
            numbers = daemon.stats()
            self.assertEqual((numbers["udp_received"], numbers["udp_answered"]), (3, 3))

    def test_boundaries_stay(self):
        """Bursts larger than a batch of 64, within what the socket buffers hold."""
        with harness.Daemon() as daemon, datagram_peer(daemon.udp) as peer:
            for burst in (2, 63, 64, 65, 150):
                sent = [payload(1 + number % 50, seed=number) for number in range(burst)]
                for datagram in sent:
                    peer.send(datagram)
                self.assertEqual([peer.recv(1000) for _ in sent], sent)

    def test_peers_get_their_own(self):
        with harness.Daemon() as daemon:
            peers = [datagram_peer(daemon.udp, host) for host in ("127.0.0.1", "::1", "127.0.0.9") * 20]
            for number, peer in enumerate(peers):
                peer.send(b"for %d" % number)
            for number, peer in enumerate(peers):
                self.assertEqual(peer.recv(100), b"for %d" % number)
                peer.close()

    def test_replies_come_from_the_address_that_was_hit(self):
        """On the dual-stack socket, and on a socket of one family. An unconnected peer sees the address."""
        for options in ((), ("--listen=0.0.0.0", "--listen=::1", "--port=0")):
            with harness.Daemon("--tcp=off", *options) as daemon:
                ports = {"4": daemon.udp, "6": daemon.udp}
                for line in daemon.lines.matching("^LISTEN: "):
                    ports["6" if "[" in line else "4"] = int(line.rsplit(":", 1)[1])
                for host in ("127.0.0.1", "127.0.0.5", "127.1.2.3", "::1"):
                    with self.subTest(options=options, host=host):
                        family = socket.AF_INET6 if ":" in host else socket.AF_INET
                        with socket.socket(family, socket.SOCK_DGRAM) as peer:
                            peer.settimeout(harness.DEADLINE)
                            peer.sendto(b"x", (host, ports["6" if ":" in host else "4"]))
                            data, source = peer.recvfrom(10)
                            self.assertEqual((data, source[0]), (b"x", host))

    def test_a_peer_that_is_gone_disturbs_nobody(self):
        """The reply to a closed port draws an ICMP error; the next peers are served all the same."""
        with harness.Daemon() as daemon:
            for _ in range(20):
                gone = datagram_peer(daemon.udp)
                for _ in range(5):
                    gone.send(b"x")
                gone.close()
                with datagram_peer(daemon.udp) as peer:
                    self.assertEqual(ask(peer, b"here"), b"here")

    def test_beside_tcp_at_full_load(self):
        with harness.Daemon() as daemon:
            data, done, wrong = payload(1 << 24), threading.Event(), []

            def bulk():
                try:
                    with connect(daemon.tcp) as peer:
                        if converse(peer, data) != data:
                            wrong.append("other bytes came back over TCP")
                except OSError as error:
                    wrong.append(error)

            streams = [threading.Thread(target=bulk) for _ in range(4)]

            def watch():
                for stream in streams:
                    stream.join()
                done.set()

            for stream in streams:
                stream.start()
            watcher = threading.Thread(target=watch)
            watcher.start()
            asked = 0
            try:
                with datagram_peer(daemon.udp) as peer:
                    while not done.is_set() or not asked:
                        question = b"%d" % asked
                        self.assertEqual(ask(peer, question), question)
                        asked += 1
            finally:
                watcher.join()
            self.assertEqual(wrong, [])


if __name__ == "__main__":
    harness.main()
