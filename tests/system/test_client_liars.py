# ctest: uncounted unfiltered
"""echod-client against peers that lie, are late or go."""
import signal
import subprocess
import threading

import harness
from client import CLIENT, LOST, Case
from harness import DEADLINE
from liars import DatagramPeer, StreamPeer, echo_all, flip
from peers import receive


class WithLiars(Case):
    def test_a_changed_byte(self):
        def talk(connection):
            first = receive(connection, 56)
            connection.sendall(first)
            second = receive(connection, 56)
            connection.sendall(flip(second, 40))
            echo_all(connection)

        with StreamPeer(talk) as peer:
            out = self.check(1, ".*3 sent, 2 echoed, 0 lost .*1 corrupted.*", "", "-p", peer.port, "-c", 3, "-i", 0,
                             "127.0.0.1")
            self.assertIn("seq=2 corrupted: byte 41 of 56 is not what was sent\n", out)
        with StreamPeer(lambda connection: connection.sendall(flip(receive(connection, 12), 0))) as peer:
            self.check(1, "", r"echod-client: .*: corrupted: byte 1 of 12 is not what was sent\n", "-p", peer.port,
                       "127.0.0.1")

    def test_more_than_was_sent(self):
        with StreamPeer(lambda connection: connection.sendall(receive(connection, 56) + b"x")) as peer:
            summary = self.summary(1, "-p", peer.port, "-c", 1, "127.0.0.1")[2]
            self.counts(summary, sent=1, echoed=1, corrupted=1)

    def test_no_answer(self):
        with StreamPeer(lambda connection: connection.recv(1 << 16) and connection.recv(1)) as peer:
            self.check(1, "", rf"echod-client: .*: {LOST} 0\.1 s\n", "-p", peer.port, "-W", "100ms", "127.0.0.1")
        with DatagramPeer(lambda number, datagram: []) as peer:
            out = self.check(1, ".*2 sent, 0 echoed, 2 lost .*", "", "-u", "-p", peer.port, "-W", "50ms", "-c", 2,
                             "-i", "10ms", "127.0.0.1")
            self.assertEqual(out.count(LOST), 2)

    def test_half_an_answer(self):
        def talk(connection):
            connection.sendall(receive(connection, 56)[:30])

        with StreamPeer(talk) as peer:
            out = self.check(1, ".*1 sent, 0 echoed, 1 lost.*", "", "-p", peer.port, "-c", 1, "127.0.0.1")
            self.assertIn("seq=1 lost: closed by the peer\n", out)

    def test_a_peer_that_leaves(self):
        def talk(connection):
            connection.sendall(receive(connection, 56))

        with StreamPeer(talk) as peer:
            self.check(1, ".*1 sent, 1 echoed.*", "echod-client: exchange with .*: closed by the peer\n",
                       "-p", peer.port, "-c", 3, "-i", "1s", "127.0.0.1")

    def test_a_peer_that_never_leaves(self):
        """It does not end its side when we end ours; everything has come back, though."""
        def talk(connection):
            connection.sendall(receive(connection, 12))
            connection.recv(1)
            left.wait(DEADLINE)

        left = threading.Event()
        with StreamPeer(talk) as peer:
            self.check(0, "Received .*", "", "-p", peer.port, "127.0.0.1")
            left.set()

    def test_a_byte_at_a_time(self):
        def talk(connection):
            while data := connection.recv(1 << 16):
                for index in range(len(data)):
                    connection.sendall(data[index:index + 1])

        with StreamPeer(talk) as peer:
            self.counts(self.summary(0, "-p", peer.port, "-c", 5, "-i", 0, "127.0.0.1")[2], sent=5, echoed=5)

    def test_late(self):
        """An echo that comes after it was given up, which it is before the next one is sent."""
        held = []

        def answer(number, datagram):
            held.append(datagram)
            return held if number == 1 else []

        def talk(connection):
            connection.sendall(receive(connection, 2 * 56))
            echo_all(connection)

        options = ("-W", "1s", "-i", "2s", "-c", 2, "127.0.0.1")
        with DatagramPeer(answer) as peer:
            exchanges, _, summary = self.summary(1, "-u", "-p", peer.port, *options)
            self.assertEqual([(e["seq"], e["result"]) for e in exchanges],
                             [(1, "lost"), (1, "late"), (2, "echoed")])
            self.counts(summary, sent=2, echoed=1, lost=1, late=1)
        with StreamPeer(talk) as peer:
            self.counts(self.summary(1, "-p", peer.port, *options)[2], sent=2, echoed=1, lost=1, late=1)

    def test_duplicated(self):
        """Each echo comes again, in front of the next one."""
        before = []

        def answer(_, datagram):
            before.append(datagram)
            return before[-2:]

        with DatagramPeer(answer) as peer:
            summary = self.summary(1, "-u", "-p", peer.port, "-c", 5, "-i", 0, "127.0.0.1")[2]
            self.counts(summary, sent=5, echoed=5, duplicated=4)

    def test_reordered(self):
        held = []

        def answer(number, datagram):
            if number == 1:
                held.append(datagram)
                return []
            return [datagram] + held if number == 2 else [datagram]

        with DatagramPeer(answer) as peer:
            exchanges, _, summary = self.summary(0, "-u", "-p", peer.port, "-c", 4, "-i", "20ms", "127.0.0.1")
            self.counts(summary, sent=4, echoed=4, reordered=1)
            self.assertEqual([e["seq"] for e in exchanges if e.get("reordered")], [2])

    def test_datagrams_that_are_not_ours(self):
        for size in (56, 5):
            for wrong in (lambda d: b"", lambda d: d[:-1], lambda d: d + b"x", lambda d: flip(d, 0),
                          lambda d: flip(d, len(d) - 1)):
                # bound now, for the closure of this round
                with DatagramPeer(lambda number, d, wrong=wrong: [d if number else wrong(d)]) as peer:
                    summary = self.summary(1, "-u", "-p", peer.port, "-W", "1s", "-c", 3, "-i", 0, "-s", size,
                                           "127.0.0.1")[2]
                    self.assertEqual([summary["counts"][name] for name in ("sent", "echoed", "corrupted")], [3, 2, 1])

    def test_one_bad_path_of_a_sweep(self):
        bad = []

        def answer(_, datagram):
            source = peer.sources[-1]
            if not bad:
                bad.append(source)
            return [] if source == bad[0] else [datagram]

        with DatagramPeer(answer) as peer:
            _, flows, summary = self.summary(1, "-u", "-p", peer.port, "--sweep", 8, "-c", 3, "-i", "1ms",
                                             "-W", "2s", "127.0.0.1")
            self.assertEqual([flow["source"] for flow in flows if flow["lost"]], ["127.0.0.1:%d" % bad[0][1]])
            self.counts(summary, sent=24, echoed=21, lost=3)

    def test_a_second_interrupt_gives_up(self):
        with DatagramPeer(lambda number, datagram: []) as peer:
            with subprocess.Popen([CLIENT, "-u", "-p", str(peer.port), "-i", "1h", "-W", "1h", "127.0.0.1"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
                lines = harness.Lines(client.stdout)
                harness.wait_until(lambda: peer.sources, "the first datagram")
                client.send_signal(signal.SIGINT)
                self.assertRaises(subprocess.TimeoutExpired, client.wait, 0.3)  # it waits for the echo
                client.send_signal(signal.SIGINT)
                self.assertEqual(client.wait(DEADLINE), 1)
                lines.wait("seq=1 lost: stopped")
                lines.wait("1 sent, 0 echoed, 1 lost")

    def test_the_codepoint_is_on_the_packets(self):
        with DatagramPeer(lambda number, datagram: [datagram]) as peer:
            self.check(0, "Received .*", "", "-u", "--dscp", 46, "-p", peer.port, "127.0.0.1")
            self.assertEqual(peer.traffic_classes, [46 << 2])


if __name__ == "__main__":
    harness.main()
