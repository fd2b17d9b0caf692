"""SIGTERM and SIGINT drain; SIGUSR1 only speaks."""
import fcntl
import os
import signal
import socket
import struct
import termios
import time
import unittest

import harness
import proc
from peers import ask, connect, converse, datagram_peer, echo, ending, payload, receive, receive_all, stall

BACKLOG = 300  # several turns' worth


def refuses(port):
    try:
        connect(port).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


def unacknowledged(peer):
    """Bytes that the other side's kernel has not received (SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(peer, termios.TIOCOUTQ, bytes(4)))[0]


class Drain(unittest.TestCase):
    def draining(self, daemon, number=signal.SIGTERM):
        daemon.signal(number)
        harness.wait_until(lambda: proc.bound_port(daemon.pid, "tcp") is None, "the listener to close")

    def test_without_connections_it_ends_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with harness.Daemon("--drain-timeout=1h") as daemon:
                daemon.signal(number)
                self.assertEqual(daemon.wait_exit(), 0)

    def test_open_connections_and_datagrams_are_served_until_the_last_one_closes(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with harness.Daemon("--drain-timeout=1h", "--log-connections") as daemon:
                with connect(daemon.tcp) as first, connect(daemon.tcp) as second:
                    self.assertEqual(echo(first, b"a") + echo(second, b"b"), b"ab")
                    self.draining(daemon, number)
                    self.assertTrue(refuses(daemon.tcp))
                    self.assertEqual(echo(first, b"still"), b"still")
                    with datagram_peer(daemon.udp) as peer:
                        self.assertEqual(ask(peer, b"datagram"), b"datagram")
                    data = payload(1 << 20)
                    self.assertTrue(converse(second, data) == data, "other bytes came back")
                    first.shutdown(socket.SHUT_WR)
                    self.assertEqual(ending(first), "fin")
                self.assertEqual(daemon.wait_exit(), 0)
                self.assertEqual(len(daemon.lines.matching("^EXIT: .* reason=eof$")), 2)

    def test_half_open_connections_get_all_their_bytes(self):
        """A peer that has finished sending, and has not read yet."""
        with harness.Daemon("--drain-timeout=1h") as daemon:
            with connect(daemon.tcp, receive_buffer=4096) as peer:
                data = payload(200000)
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
                harness.wait_until(lambda: daemon.stats()["tcp_received_bytes"] == len(data),
                                   "all bytes to arrive")
                self.draining(daemon)
                self.assertTrue(receive_all(peer) == data, "other bytes came back")
            self.assertEqual(daemon.wait_exit(), 0)

    def test_until_the_drain_begins_everything_is_served(self):
        """The client's connection alone keeps nothing open: the delay ends, and the drain with it."""
        with harness.Daemon("--drain-delay=3s", "--drain-timeout=1h") as daemon:
            daemon.signal(signal.SIGTERM)
            harness.wait_until(lambda: daemon.stats()["stopping"], "the signal to be taken")
            with connect(daemon.tcp) as peer, datagram_peer(daemon.udp) as other:
                self.assertEqual(converse(peer, b"newcomer"), b"newcomer")
                self.assertEqual(ask(other, b"datagram"), b"datagram")
            self.assertEqual(daemon.lines.matching("STOP: reason=delay-over"), [])
            self.assertEqual(daemon.wait_exit(), 0)
            self.assertEqual(len(daemon.lines.matching("^STOP: reason=signal delay_ms=3000 connections=0$")), 1)
            self.assertEqual(len(daemon.lines.matching("^STOP: reason=delay-over connections=0$")), 1)

    def test_a_second_signal_ends_the_delay_too(self):
        with harness.Daemon("--drain-delay=1h") as daemon:
            daemon.signal(signal.SIGTERM)
            harness.wait_until(lambda: daemon.stats()["stopping"], "the signal to be taken")
            daemon.signal(signal.SIGINT)
            self.assertEqual(daemon.wait_exit(), 0)

    def test_the_drain_begins_although_the_last_connection_ends_with_the_delay(self):
        """In one iteration, after a pause: the tick ends the only connection, and the delay is over."""
        with harness.Daemon("--drain-delay=1s", "--drain-timeout=1h") as daemon, socket.socket() as unread:
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            unread.connect(("127.0.0.1", daemon.tcp))
            unread.sendall(bytes(60000))
            unread.shutdown(socket.SHUT_WR)
            daemon.wait_stats(lambda now: now["tcp_sent_bytes"] == 60000, "the connection to linger")
            daemon.signal(signal.SIGTERM)
            harness.wait_until(lambda: daemon.stats()["stopping"], "the signal to be taken")
            daemon.freeze()
            self.assertEqual(len(receive_all(unread)), 60000)
            time.sleep(1.2)
            with connect(daemon.tcp) as peer:
                daemon.signal(signal.SIGCONT)
                self.assertEqual(converse(peer, b"pending"), b"pending")
            self.assertEqual(daemon.wait_exit(), 0)
            self.assertEqual(len(daemon.lines.matching("^STOP: reason=delay-over connections=1$")), 1)

    def test_the_backlog_is_emptied_first(self):
        """Connections that the kernel has completed but the daemon has not accepted are no less open."""
        with harness.Daemon("--drain-timeout=1h") as daemon:
            daemon.freeze()
            peers = [connect(daemon.tcp) for _ in range(BACKLOG)]
            for number, peer in enumerate(peers):
                peer.sendall(b"%d" % number)
            daemon.signal(signal.SIGTERM)
            daemon.signal(signal.SIGCONT)
            for number, peer in enumerate(peers):
                self.assertEqual(receive(peer, len(b"%d" % number)), b"%d" % number)
                peer.shutdown(socket.SHUT_WR)
                self.assertEqual(ending(peer), "fin")
                peer.close()
            self.assertEqual(daemon.wait_exit(), 0)

    def test_a_second_signal_ends_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)):
            with harness.Daemon("--drain-timeout=1h") as daemon, connect(daemon.tcp) as peer:
                self.assertEqual(echo(peer, b"x"), b"x")
                self.draining(daemon, first)
                self.assertEqual(echo(peer, b"y"), b"y")
                # the peer's kernel may acknowledge late; until then the daemon's end is a reset
                harness.wait_until(lambda: not proc.sent_queues(daemon.tcp), "the echo to be acknowledged")
                daemon.signal(second)
                self.assertEqual(daemon.wait_exit(), 0)
                self.assertEqual(ending(peer), "fin")

    def test_at_the_timeout_fin_to_the_idle_and_reset_to_those_with_bytes_pending(self):
        with harness.Daemon("--drain-timeout=300ms", "--log-connections") as daemon:
            with connect(daemon.tcp) as idle, connect(daemon.tcp, receive_buffer=4096) as stuck:
                self.assertEqual(echo(idle, b"x"), b"x")
                stall(daemon, stuck)
                daemon.signal(signal.SIGTERM)
                self.assertEqual(daemon.wait_exit(), 0)
                self.assertEqual(ending(idle), "fin")
                self.assertEqual(ending(stuck), "reset")
            ends = daemon.lines.matching("^EXIT: .* reason=drain$")
            self.assertEqual(len(ends), 2, daemon.text())

    def test_bytes_pending_in_the_kernel_are_answered_with_reset_too(self):
        """Without a ring; and the peer has finished, so that nothing it sends later causes the reset."""
        with harness.Daemon("--drain-timeout=0", "--buffer-memory=0") as daemon:
            with connect(daemon.tcp, receive_buffer=4096) as stuck, connect(daemon.tcp) as other:
                pending = 0
                while not pending:
                    stuck.sendall(bytes(10000))
                    harness.wait_until(lambda: unacknowledged(stuck) == 0, "the bytes to arrive")
                    self.assertEqual(echo(other, b"turn"), b"turn")
                    # in the next turn: without a ring, bytes are taken off the queue after they are sent
                    daemon.stats()
                    pending = sum(to_read for _, to_read in proc.queues(daemon.tcp))
                stuck.shutdown(socket.SHUT_WR)
                self.assertEqual(echo(other, b"turn"), b"turn")
                daemon.signal(signal.SIGTERM)
                self.assertEqual(daemon.wait_exit(), 0)
                self.assertEqual(ending(stuck), "reset")

    def test_a_drain_timeout_of_zero_ends_at_once(self):
        with harness.Daemon("--drain-timeout=0") as daemon, connect(daemon.tcp) as peer:
            self.assertEqual(echo(peer, b"x"), b"x")
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait_exit(), 0)
            self.assertEqual(ending(peer), "fin")


class Others(unittest.TestCase):
    def test_usr1_tells_every_number(self):
        with harness.Daemon() as daemon, connect(daemon.tcp) as peer, datagram_peer(daemon.udp) as other:
            echo(peer, b"12345")
            ask(other, b"x")
            numbers = daemon.stats()
            expected = {"tcp_open": 1, "tcp_accepted": 1, "tcp_received_bytes": 5, "tcp_sent_bytes": 5,
                        "udp_received": 1, "udp_answered": 1}
            self.assertEqual({name: numbers.get(name) for name in expected}, expected)

    def test_a_storm_of_signals_loses_no_byte(self):
        with harness.Daemon() as daemon, connect(daemon.tcp) as peer:
            data = payload(1 << 22)
            answer, position = [], 0
            while position < len(data):
                for number in (signal.SIGUSR1, signal.SIGPIPE, signal.SIGCHLD):
                    os.kill(daemon.pid, number)
                answer.append(echo(peer, data[position:position + 65536]))
                position += 65536
            self.assertTrue(b"".join(answer) == data, "other bytes came back")


if __name__ == "__main__":
    harness.main()
