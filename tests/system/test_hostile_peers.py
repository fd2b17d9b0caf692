# ctest: seconds=600 uncounted
"""Peers that mean harm, one kind after the other, beside clients that must be served all the while."""
import errno
import re
import signal
import socket
import time
import unittest

import harness
import proc
from hostile import LONG, Bystanders, Reader, Watched, push_until_stuck
from peers import connect, converse, echo, ending, is_refused, payload, receive, receive_all, reset

RING = 64 << 10


def setUpModule():
    harness.own_network()


class Hostile(unittest.TestCase):
    def test_readers_of_one_byte_a_second(self):
        """In the short run without the seconds: what counts is that they always have bytes coming."""
        count, memory, rounds = 60, 16 * RING, 120 if LONG else 10
        options = (f"--buffer-size={RING}", f"--buffer-memory={memory}", "--stall-timeout=0")
        with Watched(*options) as daemon:
            empty = proc.resident(daemon.pid)
            readers = [Reader(daemon.tcp, payload(1 << 20, seed)) for seed in range(count)]
            with Bystanders(daemon.tcp):
                push_until_stuck(daemon.tcp, readers)
                for _ in range(rounds):
                    start = time.monotonic()
                    for reader in readers:
                        reader.read(1)
                        reader.push()
                    with connect(daemon.tcp) as newcomer:
                        data = payload(100000)
                        self.assertTrue(converse(newcomer, data) == data, "other bytes came back")
                    if LONG:
                        time.sleep(max(0, start + 1 - time.monotonic()))
                numbers = daemon.stats()
                # not always all: a ring that is given back goes to the connection that moves next
                self.assertGreater(numbers["rings_lent"], 0)
                self.assertGreater(numbers["tcp_without_ring"], 0)
                # beside what the slow ones wait for, the bystanders' may be under way
                self.assertLessEqual(numbers["tcp_received_bytes"] - numbers["tcp_sent_bytes"], memory)
                if harness.RELEASE:
                    self.assertLessEqual(proc.resident(daemon.pid) - empty, memory + (256 << 10))
                for reader in readers:
                    reader.finish()
            numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
            self.assertEqual(numbers["tcp_received_bytes"], numbers["tcp_sent_bytes"])
            self.assertEqual(numbers["tcp_accepted"], numbers["tcp_closed_eof"])

    def test_windows_that_close_and_open(self):
        for options in ((), ("--buffer-memory=0",)):
            with self.subTest(options=options), Watched("--stall-timeout=0", *options) as daemon:
                readers = [Reader(daemon.tcp, payload(4 << 20, seed)) for seed in range(8)]
                with Bystanders(daemon.tcp):
                    for _ in range(3):
                        push_until_stuck(daemon.tcp, readers)
                        if LONG:
                            time.sleep(70)  # the kernel's probes come ever more seldom
                        for reader in readers:
                            self.assertLess(reader.sent, len(reader.data), "never stuck")
                            reader.catch_up()
                    for reader in readers:
                        reader.finish()

    def test_urgent_bytes_anywhere(self):
        """As many marks as the peer likes, read at once or late, with a ring or without, in batches or not."""
        for options in ((), ("--buffer-memory=0",)):
            with self.subTest(options=options), Watched(*options) as daemon, Bystanders(daemon.tcp):
                peers = [connect(daemon.tcp) for _ in range(10)]
                for number in range(60):
                    pieces = [payload(1 + (number * 37 + part * 101) % 2000, number) for part in range(8)]
                    late = number % 3 == 0
                    if late:
                        daemon.freeze()
                    for peer in peers:
                        for part, piece in enumerate(pieces):
                            peer.send(piece, socket.MSG_OOB if part % 2 else 0)
                    if late:
                        daemon.signal(signal.SIGCONT)
                    for peer in peers:
                        self.assertEqual(receive(peer, sum(map(len, pieces))), b"".join(pieces))
                for peer in peers:
                    peer.send(b"!", socket.MSG_OOB)
                    peer.shutdown(socket.SHUT_WR)
                    self.assertEqual(receive_all(peer), b"!")
                    peer.close()


class Resets(unittest.TestCase):
    COUNT = 50000 if harness.RELEASE or LONG else 10000  # sanitizers take their time
    BATCH = 500

    def one(self, number, address, kind=0):
        peer = socket.socket()
        peer.setblocking(False)
        peer.bind((f"127.0.{1 + number % 4}.{1 + number % 200}", 0))
        if peer.connect_ex(address) not in (0, errno.EINPROGRESS):
            raise AssertionError("no connection")
        if kind == 1:
            peer.send(b"x")
        elif kind == 2:  # much more than is read
            peer.send(bytes(40000))
        reset(peer)

    def test_50000_connect_and_reset(self):
        """Before they are accepted, after, with bytes on the way in each direction."""
        memory, own = 4 << 20, 256
        with Watched(f"--buffer-memory={memory}") as daemon:
            with connect(daemon.tcp) as first:
                echo(first, b"warm")
            daemon.wait_stats(lambda now: now["tcp_open"] == 0, "the first to leave")
            files, empty = proc.descriptors(daemon.pid), proc.resident(daemon.pid)
            with Bystanders(daemon.tcp) as bystanders:
                for start in range(0, self.COUNT, self.BATCH):
                    stopped = start // self.BATCH % 5 == 0  # reset while they wait in the backlog
                    if stopped:
                        daemon.freeze()
                    for number in range(start, start + self.BATCH):
                        self.one(number, ("127.0.0.1", daemon.tcp), number % 3)
                    if stopped:
                        daemon.signal(signal.SIGCONT)
                    with connect(daemon.tcp) as newcomer:
                        self.assertEqual(echo(newcomer, b"newcomer"), b"newcomer")
            numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
            served = 1 + self.COUNT // self.BATCH + bystanders.opened
            # a connection reset before the daemon accepts it is accepted nevertheless (accept(2), Linux)
            self.assertEqual(numbers["tcp_accepted"], self.COUNT + served)
            self.assertEqual(numbers["tcp_accepted"],
                             sum(value for name, value in numbers.items() if name.startswith("tcp_closed")))
            self.assertGreaterEqual(numbers["tcp_closed_eof"], served)
            self.assertGreaterEqual(numbers["tcp_closed_reset"], self.COUNT // 2)
            self.assertEqual(proc.descriptors(daemon.pid), files)
            if harness.RELEASE:
                self.assertLessEqual(proc.resident(daemon.pid) - empty, memory + 2 * self.BATCH * own)


class SlowLoris(unittest.TestCase):
    def trickle(self, peers):
        for number, peer in enumerate(peers):
            peer.send(b"%d" % (number % 10))
        for number, peer in enumerate(peers):
            self.assertEqual(peer.recv(10), b"%d" % (number % 10))

    def test_one_source_cannot_take_all_the_room(self):
        """Never idle for long, so they need not give way; but one source has only its share."""
        share, room, rounds = 400, 500, 60 if LONG else 10
        with Watched(f"--max-connections={room}", f"--max-connections-per-source={share}",
                     "--idle-timeout-full=30s") as daemon:
            lorises = [connect(daemon.tcp, source="127.0.0.9") for _ in range(share)]
            with Bystanders(daemon.tcp, source="127.0.0.2"):
                for _ in range(rounds):
                    self.trickle(lorises)
                    for _ in range(20):
                        self.assertTrue(is_refused(daemon.tcp, source="127.0.0.9"))
                    with connect(daemon.tcp, source="127.0.0.3") as newcomer:
                        data = payload(100000)
                        self.assertTrue(converse(newcomer, data) == data, "other bytes came back")
                    if LONG:
                        time.sleep(1)
                numbers = daemon.stats()
                self.assertEqual(numbers["tcp_refused_source"], rounds * 20)
                self.assertEqual(numbers["tcp_closed_full"], 0)
            for loris in lorises:
                loris.close()

    def test_those_who_fall_silent_give_way(self):
        """Without a limit a source they take all the room, until they stop paying for it with bytes."""
        room = 300
        with Watched(f"--max-connections={room}", "--idle-timeout-full=1s", "--log-connections") as daemon:
            lorises = [connect(daemon.tcp) for _ in range(room)]
            self.trickle(lorises)
            newcomers = []
            for number in range(room):
                newcomers.append(connect(daemon.tcp))
                self.assertEqual(echo(newcomers[-1], b"%d" % number), b"%d" % number)
            gone = daemon.lines.wait("reason=full$", room)
            self.assertEqual(len(gone), room)
            for line in gone:
                self.assertGreaterEqual(float(re.search(r" duration_s=([\d.]+)", line).group(1)), 1.0)
            for loris in lorises:
                self.assertEqual(ending(loris), "fin")
                loris.close()
            for newcomer in newcomers:
                newcomer.close()


if __name__ == "__main__":
    harness.main()
