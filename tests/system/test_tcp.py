"""The TCP echo: every byte, in order, whatever the peer does to its connection."""
import socket
import unittest

import harness
from peers import connect, converse, echo, ending, payload, receive, receive_all, reset


class Echo(unittest.TestCase):
    def test_bytes_come_back_over_ipv4_and_ipv6(self):
        with harness.Daemon() as daemon:
            for host in ("127.0.0.1", "127.0.0.5", "::1"):
                with self.subTest(host=host), connect(daemon.tcp, host) as peer:
                    self.assertEqual(echo(peer, b"hello"), b"hello")
                    self.assertEqual(echo(peer, bytes(range(256))), bytes(range(256)))

    def test_half_close_is_answered_in_full(self):
        with harness.Daemon() as daemon:
            for size in (0, 1, 65536, 1 << 20, 1 << 24):
                with self.subTest(size=size), connect(daemon.tcp) as peer:
                    data = payload(size)
                    self.assertTrue(converse(peer, data) == data, "other bytes came back")

    def test_every_byte_counts(self):
        with harness.Daemon() as daemon:
            for size in (1, 1000, 1 << 20):
                with connect(daemon.tcp) as peer:
                    converse(peer, payload(size))
            total = 1 + 1000 + (1 << 20)
            numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "the connections to end")
            self.assertEqual(numbers["tcp_accepted"], 3)
            self.assertEqual(numbers["tcp_received_bytes"], total)
            self.assertEqual(numbers["tcp_sent_bytes"], total)

    def test_a_ring_smaller_than_the_data_wraps(self):
        with harness.Daemon("--buffer-size=4096") as daemon, connect(daemon.tcp) as peer:
            data = payload(3 * 1000 * 1000)
            self.assertTrue(converse(peer, data) == data, "other bytes came back")

    def test_without_ring_memory_everything_still_echoes(self):
        with harness.Daemon("--buffer-memory=0") as daemon:
            with connect(daemon.tcp) as peer:
                for size in (1, 2, 1000, 65536):
                    data = payload(size)
                    self.assertTrue(echo(peer, data) == data, size)
            for size in (0, 1, 1 << 16, 1 << 24):
                with connect(daemon.tcp) as peer:
                    data = payload(size)
                    self.assertTrue(converse(peer, data) == data, size)

    def test_urgent_bytes_are_bytes(self):
        with harness.Daemon() as daemon, connect(daemon.tcp) as peer:
            peer.sendall(b"before")
            peer.send(b"!", socket.MSG_OOB)
            peer.sendall(b"after")
            peer.send(b"?", socket.MSG_OOB)
            self.assertEqual(receive(peer, 13), b"before!after?")
            peer.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(peer), b"")


class Resets(unittest.TestCase):
    COUNT = 500

    def test_a_storm_of_resets_harms_nobody(self):
        with harness.Daemon("--log-connections") as daemon, connect(daemon.tcp) as healthy:
            data = payload(300000)
            for number in range(self.COUNT):
                peer = connect(daemon.tcp, source=f"127.0.0.{2 + number % 200}")
                state = number % 5
                if state == 1:  # something is on the way
                    peer.sendall(b"x")
                elif state == 2:  # echoed before
                    self.assertEqual(echo(peer, b"xyz"), b"xyz")
                elif state == 3:  # more than it will ever read
                    peer.setblocking(False)
                    try:
                        peer.send(data)
                    except BlockingIOError:
                        pass
                elif state == 4:  # half-closed
                    peer.sendall(b"x")
                    peer.shutdown(socket.SHUT_WR)
                reset(peer)
                if number % 50 == 0:
                    self.assertEqual(echo(healthy, b"still here"), b"still here")
            # accept(2) returns even connections that were reset before
            daemon.wait_stats(lambda now: now["tcp_accepted"] == self.COUNT + 1 and now["tcp_open"] == 1,
                              "the storm to be over")
            self.assertEqual(echo(healthy, data[:10000]), data[:10000])
            exits = daemon.lines.matching("^EXIT: ")
            self.assertEqual(len(exits), self.COUNT)
            self.assertTrue(any("reason=reset" in line for line in exits))

    def test_a_reset_ends_that_one_connection(self):
        with harness.Daemon() as daemon:
            with connect(daemon.tcp) as first, connect(daemon.tcp) as second:
                self.assertEqual(echo(first, b"a") + echo(second, b"b"), b"ab")
                reset(first)
                daemon.wait_stats(lambda now: now["tcp_open"] == 1, "the reset connection to go")
                self.assertEqual(echo(second, b"c"), b"c")
                second.shutdown(socket.SHUT_WR)
                self.assertEqual(ending(second), "fin")


if __name__ == "__main__":
    harness.main()
