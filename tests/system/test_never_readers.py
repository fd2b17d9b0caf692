"""Peers that send and never read: what they can make the daemon and the kernel hold has a bound."""
import unittest

import harness
import proc
from peers import connect, converse, echo, fill, payload

RING = 64 << 10
MEMORY = 16 << 20
# What the kernel holds for one of them. To send: TCP_NOTSENT_LOWAT (128K) and the segments beyond it,
# and what the peer's small window takes. To read: the receive buffer that it starts with.
TO_SEND = 160 << 10
TO_READ = 256 << 10
OWN = 256  # bytes a connection of the daemon's own, rings apart: twice what an idle one may cost


class NeverReaders(unittest.TestCase):
    def crowd(self, daemon, count, limit, peers):
        """count peers that send until they are stuck, limit bytes at most, and never read."""
        for number in range(count):
            peers.append(connect(daemon.tcp, f"127.0.0.{1 + number % 4}", receive_buffer=2048, send_buffer=8192))
            fill(peers[-1], limit)

    def settled(self, daemon, peers, limit):
        """Waits until no peer can send on, and nothing moves in the daemon any more."""
        last = {}

        def still():
            for peer in peers:
                fill(peer, limit)
            numbers = daemon.stats()
            same = last.get("moved") == (numbers["tcp_received_bytes"], numbers["tcp_sent_bytes"])
            last["moved"] = numbers["tcp_received_bytes"], numbers["tcp_sent_bytes"]
            return same

        harness.wait_until(still, "the never-readers to be stuck")

    def test_healthy_clients_beside_never_readers(self):
        peers = []
        with harness.Daemon(f"--buffer-size={RING}", f"--buffer-memory={MEMORY}") as daemon:
            try:
                self.crowd(daemon, 50, 4 << 20, peers)
                self.settled(daemon, peers, 1 << 20)
                for size in (1, 1000, 1 << 20, 1 << 22):
                    with connect(daemon.tcp) as healthy:
                        data = payload(size)
                        self.assertTrue(converse(healthy, data) == data, "other bytes came back")
                held = proc.queues(daemon.tcp)
                self.assertGreaterEqual(len(held), 50)
                self.assertLessEqual(max(to_send for to_send, _ in held), TO_SEND)
                self.assertLessEqual(max(to_read for _, to_read in held), TO_READ)
            finally:
                for peer in peers:
                    peer.close()

    def test_with_every_ring_lent_a_new_client_is_still_echoed(self):
        peers = []
        with harness.Daemon(f"--buffer-size={RING}", f"--buffer-memory={4 * RING}") as daemon:
            try:
                self.crowd(daemon, 20, 4 << 20, peers)
                self.settled(daemon, peers, 1 << 20)
                numbers = daemon.stats()
                # the rings are full: no more is held than they and the kernel have room for
                self.assertGreaterEqual(numbers["tcp_received_bytes"] - numbers["tcp_sent_bytes"], RING)
                self.assertLessEqual(numbers["tcp_received_bytes"] - numbers["tcp_sent_bytes"], 4 * RING)
                with connect(daemon.tcp) as newcomer:
                    self.assertEqual(echo(newcomer, b"hello"), b"hello")
                    data = payload(1 << 22)
                    self.assertTrue(converse(newcomer, data) == data, "other bytes came back")
            finally:
                for peer in peers:
                    peer.close()

    def test_10000_of_them_stay_within_the_bound(self):
        count, limit = 10000, 40 << 10
        harness.require_files(count + 100)
        peers = []
        options = (f"--buffer-size={RING}", f"--buffer-memory={MEMORY}", f"--max-connections={count + 1}")
        with harness.Daemon(*options) as daemon:
            empty = proc.resident(daemon.pid)
            try:
                self.crowd(daemon, count, limit, peers)
                daemon.wait_stats(lambda now: now["tcp_open"] == count, "all to be accepted")
                for peer in peers:
                    fill(peer, limit // 4)
                with connect(daemon.tcp) as healthy:
                    data = payload(100000)
                    self.assertTrue(converse(healthy, data) == data, "other bytes came back")
                numbers = daemon.stats()
                self.assertLessEqual(numbers["tcp_received_bytes"] - numbers["tcp_sent_bytes"], MEMORY)
                if harness.RELEASE:
                    grown = proc.resident(daemon.pid) - empty
                    print(f"{count} never-readers: {grown >> 20} MiB more resident", flush=True)
                    self.assertLessEqual(grown, MEMORY + count * OWN)
                held = proc.queues(daemon.tcp)
                self.assertGreaterEqual(len(held), count)
                self.assertLessEqual(sum(to_send for to_send, _ in held), count * TO_SEND)
                print("held by the kernel: %d KiB to send, %d KiB to read" % (
                    sum(held_ for held_, _ in held) >> 10, sum(held_ for _, held_ in held) >> 10), flush=True)
            finally:
                for peer in peers:
                    peer.close()


if __name__ == "__main__":
    harness.main()
