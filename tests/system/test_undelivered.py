"""Bytes that the kernel has taken and the peer has not: what it holds is within the limits, and gone in time."""
import signal
import socket
import unittest

import harness
from peers import connect, converse, echo, ending, fill, is_refused, payload, receive_all
from proc import SEND_MOST, orphans, receive_most, sent_queues, socket_memory

ONCE = 30000  # bytes: more than a peer's kernel takes with the smallest buffer, less than ours does
STALL = "--stall-timeout=2s"


def never_reader(port, finish, source=None):
    """Has sent, and never reads."""
    peer = connect(port, source=source, receive_buffer=2048)
    peer.sendall(bytes(ONCE))
    if finish:
        peer.shutdown(socket.SHUT_WR)
    return peer


class Undelivered(unittest.TestCase):
    def setUp(self):
        self.peers = []
        self.addCleanup(lambda: [peer.close() for peer in self.peers])

    def gather(self, count, *arguments, **more):
        new = [never_reader(*arguments, **more) for _ in range(count)]
        self.peers += new
        return new

    def test_never_readers_are_within_the_limits_and_reset_in_time(self):
        for finish in (True, False):
            with self.subTest(finish=finish), harness.Daemon(
                    "--max-connections-per-source=5", "--max-connections=50", STALL, "--log-connections") as daemon:
                self.gather(5, daemon.tcp, finish)
                daemon.wait_stats(lambda now: now["tcp_received_bytes"] == 5 * ONCE, "all bytes to be received")
                for _ in range(20):  # more from the same source are refused
                    self.assertTrue(is_refused(daemon.tcp))
                numbers = daemon.stats()
                self.assertEqual((numbers["tcp_open"], numbers["tcp_accepted"], numbers["tcp_refused_source"]),
                                 (5, 5, 20))
                self.assertGreater(sum(sent_queues(daemon.tcp)), 0)
                numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be reset")
                self.assertEqual(numbers["tcp_closed_stalled"], 5)
                self.assertEqual((sent_queues(daemon.tcp), orphans(daemon.tcp)), ([], 0))
                for line in daemon.lines.matching("^EXIT: "):
                    self.assertRegex(line, rf"rx_bytes={ONCE} tx_bytes={ONCE} reason=stalled")
                self.assertEqual(echo(connect(daemon.tcp), b"x"), b"x")

    def test_what_the_kernel_holds_has_a_bound(self):
        """Twice as many as may be open, of both kinds: docs/testing.md, "What the kernel holds for a peer"."""
        most = 20
        with harness.Daemon(f"--max-connections={most}", STALL) as daemon:
            for number in range(2 * most):
                peer = connect(daemon.tcp, receive_buffer=2048)
                self.peers.append(peer)
                fill(peer, 4 << 20)
                if number % 2:
                    peer.shutdown(socket.SHUT_WR)
            daemon.wait_stats(lambda now: now["tcp_open"] == most, "as many as may be to be open")
            held = socket_memory(daemon.tcp)
            to_send, to_read = (sum(row[i] for row in held) for i in (0, 1))
            self.assertGreater(to_send, most * 2048)
            self.assertLessEqual(to_send, most * 2 * SEND_MOST)
            self.assertLessEqual(to_read, len(held) * receive_most())  # those in the backlog, too
            daemon.wait_stats(lambda now: now["tcp_closed_stalled"] == 2 * most, "all to be reset")
            self.assertEqual((socket_memory(daemon.tcp), orphans(daemon.tcp)), ([], 0))

    def test_a_late_reader_gets_every_byte_and_fin(self):
        with harness.Daemon("--stall-timeout=0", "--log-connections") as daemon:
            late = self.gather(1, daemon.tcp, True)[0]
            daemon.wait_stats(lambda now: now["tcp_sent_bytes"] == ONCE, "all bytes to be sent")
            self.assertEqual(daemon.stats()["tcp_open"], 1)
            self.assertEqual(len(receive_all(late)), ONCE)
            daemon.wait_stats(lambda now: now["tcp_closed_eof"] == 1, "the connection to end")
            self.assertEqual(orphans(daemon.tcp), 0)

    def test_a_peer_that_resets_while_its_connection_lingers(self):
        with harness.Daemon("--stall-timeout=0") as daemon:
            peer = self.gather(1, daemon.tcp, True)[0]
            daemon.wait_stats(lambda now: now["tcp_sent_bytes"] == ONCE, "all bytes to be sent")
            peer.close()  # with bytes unread: RST
            daemon.wait_stats(lambda now: now["tcp_closed_reset"] == 1, "the reset to be seen")

    def test_the_drain_counts_them_and_resets_what_is_left(self):
        with harness.Daemon("--stall-timeout=0", "--drain-timeout=1s", "--log-connections") as daemon:
            for finish in (True, False):
                self.gather(2, daemon.tcp, finish)
            daemon.wait_stats(lambda now: now["tcp_sent_bytes"] == 4 * ONCE, "all bytes to be sent")
            port = daemon.tcp
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait_exit(), 0)
            self.assertEqual(len(daemon.lines.matching("STOP: reason=signal connections=4")), 1)
            self.assertEqual(len(daemon.lines.matching("^EXIT: .* reason=drain")), 4)
            self.assertEqual(orphans(port), 0)
            for peer in self.peers:
                self.assertEqual(ending(peer), "reset")

    def test_refused_connections_spend_no_accept_token(self):
        """One token per second: with 100 connections of another source before it, a stranger is the next accepted."""
        with harness.Daemon("--accept-rate=1", "--max-connections-per-source=1") as daemon:
            self.peers.append(connect(daemon.tcp))
            self.assertEqual(echo(self.peers[0], b"x"), b"x")
            for _ in range(100):
                self.peers.append(connect(daemon.tcp))
            stranger = connect(daemon.tcp, source="127.0.0.2")
            self.peers.append(stranger)
            self.assertEqual(echo(stranger, b"hello"), b"hello")
            numbers = daemon.stats()
            self.assertEqual((numbers["tcp_accepted"], numbers["tcp_refused_source"]), (2, 100))

    def test_a_source_has_its_share_back_when_everything_is_delivered(self):
        """One connection after the other, each with FIN before its bytes are back: those that linger do not count."""
        data = payload(300000)
        with harness.Daemon("--max-connections-per-source=2") as daemon:
            for _ in range(50):
                with connect(daemon.tcp) as peer:
                    self.assertTrue(converse(peer, data) == data)
            self.assertEqual(daemon.stats()["tcp_refused_source"], 0)

    def test_nothing_is_evicted_for_a_connection_that_is_refused(self):
        with harness.Daemon("--max-connections=2", "--max-connections-per-source=1",
                            "--idle-timeout-full=100ms") as daemon:
            one, other = connect(daemon.tcp, source="127.0.0.1"), connect(daemon.tcp, source="127.0.0.2")
            self.peers += [one, other]
            for peer in self.peers:
                self.assertEqual(echo(peer, b"x"), b"x")
            refused = 0

            def third_is_refused():  # until both are idle long enough to be evicted
                nonlocal refused
                refused += is_refused(daemon.tcp)
                return refused >= 10

            harness.wait_until(third_is_refused, "connections of a source with its share to be refused")
            self.assertEqual(daemon.stats()["tcp_closed_full"], 0)
            self.assertEqual(daemon.stats()["tcp_open"], 2)
            stranger = connect(daemon.tcp, source="127.0.0.3")
            self.peers.append(stranger)
            self.assertEqual(echo(stranger, b"x"), b"x")
            self.assertEqual(daemon.stats()["tcp_closed_full"], 1)


if __name__ == "__main__":
    harness.main()
