# ctest: uncounted
"""Peers that send and never read: what they can make the daemon and the kernel hold has a bound.

For each of them the daemon holds its connection and at most a ring, all rings together at most
--buffer-memory. The kernel holds what is to be sent, up to TCP_NOTSENT_LOWAT and the segments under
way, and what is to be read, up to the largest receive buffer that it gives (tcp(7)).
"""
import unittest

import harness
import proc
from peers import connect, converse, echo, fill, payload

RING = 64 << 10
TO_SEND = proc.SEND_MOST
OWN = 256  # bytes a connection, rings apart: twice what an idle one may cost


class NeverReaders(unittest.TestCase):
    def setUp(self):
        self.peers = []

    def tearDown(self):
        for peer in self.peers:
            peer.close()

    def gather(self, port, count):
        """More of them; their own buffers are small, so that what they send has to be held here."""
        new = [connect(port, f"127.0.0.{1 + number % 4}", receive_buffer=2048, send_buffer=8192)
               for number in range(count)]
        self.peers += new
        return new

    def push(self, daemon, peers, limit, condition, what):
        """They go on sending until the condition holds, but no more than limit bytes each."""
        left = dict.fromkeys(peers, limit)

        def step():
            for peer in peers:
                left[peer] -= fill(peer, left[peer]) if left[peer] > 0 else 0
            return condition(daemon.stats())

        harness.wait_until(step, what)

    def check_kernel(self, daemon, count):
        held = proc.queues(daemon.tcp)
        self.assertGreaterEqual(len(held), count)
        to_send, to_read = [row[0] for row in held], [row[1] for row in held]
        print("%d never-readers: the kernel holds at most %d KiB to send and %d KiB to read for one; "
              "for all %d and %d MiB" % (len(held), max(to_send) >> 10, max(to_read) >> 10,
                                         sum(to_send) >> 20, sum(to_read) >> 20), flush=True)
        self.assertLessEqual(max(to_send), TO_SEND)
        self.assertLessEqual(max(to_read), proc.receive_most())
        memory = proc.socket_memory(daemon.tcp)
        self.assertGreaterEqual(len(memory), count)
        print("with its overhead at most %d KiB to send and %d KiB to read for one"
              % (max(row[0] for row in memory) >> 10, max(row[1] for row in memory) >> 10), flush=True)
        self.assertLessEqual(max(row[0] for row in memory), 2 * TO_SEND)
        self.assertLessEqual(max(row[1] for row in memory), proc.receive_most())

    def check_service(self, daemon):
        for size in (1, 1000, 1 << 20):
            with connect(daemon.tcp) as healthy:
                data = payload(size)
                self.assertTrue(converse(healthy, data) == data, "other bytes came back")

    def test_healthy_clients_beside_never_readers(self):
        with harness.Daemon(f"--buffer-size={RING}") as daemon:
            count = 50
            # each has filled what the kernel would send, and its ring, and waits in the kernel again
            enough = count * (RING + (128 << 10))
            self.push(daemon, self.gather(daemon.tcp, count), 4 << 20,
                      lambda now: now["tcp_received_bytes"] >= enough, "the never-readers to be stuck")
            self.check_service(daemon)
            self.check_kernel(daemon, count)
            self.assertEqual(daemon.stats()["rings_lent"], count)

    def test_with_every_ring_lent_a_new_client_is_still_echoed(self):
        with harness.Daemon(f"--buffer-size={RING}", f"--buffer-memory={4 * RING}") as daemon:
            deep = self.gather(daemon.tcp, 20)
            self.push(daemon, deep, 4 << 20, lambda now: now["rings_lent"] == 4, "every ring to be lent")
            with connect(daemon.tcp) as newcomer:
                self.assertEqual(echo(newcomer, b"hello"), b"hello")
            self.check_service(daemon)
            numbers = daemon.stats()
            self.assertGreater(numbers["tcp_without_ring"], 0)
            self.assertLessEqual(numbers["tcp_received_bytes"] - numbers["tcp_sent_bytes"], 4 * RING)
            # a connection that gets a ring again may use it
            deep[0].close()
            self.check_service(daemon)

    def test_10000_of_them_stay_within_the_bound(self):
        """Enough of them send all they can to have every ring lent; the load of the others is small."""
        count, deep, memory = 10000, 400, 16 << 20
        harness.require_files(count + 100)
        options = (f"--buffer-size={RING}", f"--buffer-memory={memory}", f"--max-connections={count + 9}")
        with harness.Daemon(*options) as daemon:
            empty = proc.resident(daemon.pid)
            self.push(daemon, self.gather(daemon.tcp, deep), 512 << 10,
                      lambda now: now["rings_lent"] == memory // RING, "every ring to be lent")
            self.push(daemon, self.gather(daemon.tcp, count - deep), 16 << 10,
                      lambda now: now["tcp_open"] == count, "all to be accepted")
            self.check_service(daemon)
            # the healthy one's last acknowledgement may come late
            numbers = daemon.wait_stats(lambda now: now["tcp_open"] == count, "the others alone to be open")
            self.assertLessEqual(numbers["tcp_received_bytes"] - numbers["tcp_sent_bytes"], memory)
            self.check_kernel(daemon, count)
            if harness.RELEASE:
                grown = proc.resident(daemon.pid) - empty
                print(f"{count} never-readers: {grown >> 20} MiB more resident", flush=True)
                self.assertLessEqual(grown, memory + count * OWN)


if __name__ == "__main__":
    harness.main()
