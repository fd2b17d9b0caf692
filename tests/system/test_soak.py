# ctest: seconds=600 uncounted unfiltered slow
"""A mixed load for as long as one likes: every byte right, and the daemon no larger at the end.

Each round takes memory to the same mark: all rings are lent and full. What the daemon holds then is
compared with the first round. The long run (release) goes on for an hour and 10^8 messages at least.
"""
import json
import signal
import socket
import subprocess
import time
import unittest

import harness
import proc
from hostile import BENCH, LONG, Reader
from peers import connect, converse, datagram_peer, echo, payload, receive, reset

HOUR = LONG and harness.RELEASE
SECONDS, MESSAGES = (3600, 10 ** 8) if HOUR else (0, 2 * 10 ** 5)
RINGS, RING = 16, 256 << 10
OPTIONS = (f"--buffer-size={RING}", f"--buffer-memory={RINGS * RING}", "--stall-timeout=0")
SCALE = 20 if HOUR else 1
# each together with the others: connections, messages in flight on each, bytes, how many
LOADS = ((("-c50", "-d16", "-s64"), 40000), (("-c200", "-d1", "-s1000"), 5000), (("-c8", "-d2", "-s64K"), 500),
         (("-c20", "-d16", "-s200", "--udp"), 5000))


def setUpModule():
    harness.own_network()


def held(numbers):
    return numbers["tcp_received_bytes"] - numbers["tcp_sent_bytes"]


class Soak(unittest.TestCase):
    def start(self, daemon):
        return [subprocess.Popen([BENCH, "--json", f"--port={daemon.udp if '--udp' in options else daemon.tcp}",
                                  f"--total={count * SCALE}", "--timeout=60s", *options, "127.0.0.1"],
                                 stdout=subprocess.PIPE, text=True) for options, count in LOADS]

    def finish(self, loads):
        """Returns how many messages came back."""
        echoed = 0
        for load, (_, count) in zip(loads, LOADS):
            out, _ = load.communicate(timeout=10 * harness.DEADLINE)
            self.assertEqual(load.returncode, 0, out)
            expected = dict.fromkeys(("sent", "echoed", "lost", "late", "corrupted", "duplicated"), 0)
            expected.update(sent=count * SCALE, echoed=count * SCALE)
            counts = json.loads(out)["counts"]
            self.assertEqual({name: counts[name] for name in expected}, expected, out)
            echoed += count * SCALE
        return echoed

    def come_and_go(self, port, number):
        """Those that reset, with something on the way or not; that are urgent; that finish, and read on."""
        for kind in range(8):
            peer = connect(port)
            if kind % 2:
                peer.send(bytes(1 + kind * 5000))
            reset(peer)
        with connect(port) as peer:
            peer.send(b"urgent", socket.MSG_OOB)
            self.assertEqual(receive(peer, 6), b"urgent")
            data = payload(1 + number * 7919 % 300000, number)
            self.assertTrue(converse(peer, data) == data, "other bytes came back")

    def take_rings_and_reset(self, daemon):
        readers = [Reader(daemon.tcp, payload(1 << 20, seed)) for seed in range(4)]

        def holding():
            for reader in readers:
                reader.push()
            return daemon.stats()["rings_lent"] == len(readers)

        harness.wait_until(holding, "rings to be lent")
        for reader in readers:
            reset(reader.peer)
        daemon.wait_stats(lambda now: now["tcp_open"] == 0, "them to leave")

    def widen(self, daemon):
        """Once, all that datagrams and many connections may ever need."""
        with datagram_peer(daemon.udp) as asker:
            daemon.freeze()
            for _ in range(64):
                asker.send(bytes(60000))
            daemon.signal(signal.SIGCONT)
            daemon.wait_stats(lambda now: now["udp_received"] >= 64, "the largest of batches")
        crowd = [connect(daemon.tcp) for _ in range(400)]
        for peer in crowd:
            echo(peer, b"x")
        for peer in crowd:
            peer.close()
        daemon.wait_stats(lambda now: now["tcp_open"] == 0, "the crowd to leave")

    def round(self, daemon, number):
        """Returns (messages echoed, bytes of memory when all rings were full, open files then)."""
        self.take_rings_and_reset(daemon)
        lost = held(daemon.stats())  # what was on the way to those that have reset
        readers = [Reader(daemon.tcp, payload(1 << 20, seed)) for seed in range(RINGS)]

        def full():
            for reader in readers:
                reader.push()
            return held(daemon.stats()) - lost == RINGS * RING

        harness.wait_until(full, "all rings to be full")
        memory, files = proc.resident(daemon.pid), proc.descriptors(daemon.pid)
        loads = self.start(daemon)
        while loads[0].poll() is None:  # all of that without a ring
            self.come_and_go(daemon.tcp, number)
        for reader in readers:  # and the rest with rings
            reader.finish()
        while any(load.poll() is None for load in loads):
            self.come_and_go(daemon.tcp, number)
        echoed = self.finish(loads)
        numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
        self.assertEqual(numbers["rings_lent"], 0)
        self.assertEqual(numbers["tcp_accepted"],
                         sum(value for name, value in numbers.items() if name.startswith("tcp_closed")))
        self.assertEqual(numbers["udp_received"], numbers["udp_answered"])
        return echoed, memory, files

    def test_mixed_load(self):
        begin, echoed, marks = time.monotonic(), 0, []
        with harness.Daemon(*OPTIONS) as daemon:
            self.widen(daemon)
            self.round(daemon, 0)  # warm
            while echoed < MESSAGES or time.monotonic() < begin + SECONDS:
                done, memory, files = self.round(daemon, len(marks))
                echoed += done
                marks.append((memory, files))
                self.assertEqual(files, marks[0][1])
                if harness.RELEASE:
                    self.assertLessEqual(memory, marks[0][0] + (64 << 10))
            numbers = daemon.stats()
        memory = [mark[0] >> 10 for mark in marks]
        print(f"{time.monotonic() - begin:.0f} s, {len(marks)} rounds, {echoed} messages, 0 wrong; "
              f"{numbers['tcp_accepted']} connections, {numbers['tcp_received_bytes'] >> 20} MiB over TCP; "
              f"resident KiB first {memory[0]}, least {min(memory)}, most {max(memory)}, last {memory[-1]}; "
              f"{marks[-1][1]} open files", flush=True)


if __name__ == "__main__":
    harness.main()
