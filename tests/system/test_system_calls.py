# ctest: release refused
"""Which system calls an echo makes, counted by strace. Release only."""
import collections
import os
import re
import shutil
import signal
import socket
import tempfile
import unittest

import harness
from peers import ask, connect, converse, datagram_peer, echo, fill, payload, receive_all
from reloads import reload

CALL = re.compile(r"^\d*\s*(\w+)\((\d+)?.*?(?: = (-?\d+)(?: (E\w+))?.*)?$")
RECEIVE = {"read", "recvfrom", "recv", "recvmsg", "readv"}
SEND = {"write", "sendto", "send", "sendmsg", "writev"}


class Traced:
    """A daemon under strace, and the calls that it has made."""

    def __init__(self, *options):
        harness.require(shutil.which("strace"), "strace is not installed")
        self.scratch = tempfile.TemporaryDirectory()
        self.log = os.path.join(self.scratch.name, "calls")
        self.daemon = harness.Daemon(*options, wrapper=("strace", "-D", "-f", "-qq", "-s0", "-o", self.log))

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *error):
        self.daemon.__exit__(*error)
        self.scratch.cleanup()

    def calls(self):
        """(name, first argument, result, error) of each call so far."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return [match.groups() for line in file if (match := CALL.match(line.rstrip()))]


class SystemCalls(unittest.TestCase):
    ECHOES = 2000

    def test_three_an_echo(self):
        with Traced() as traced, connect(traced.daemon.tcp) as peer:
            for _ in range(20):
                echo(peer, bytes(37))
            before = len(traced.calls())
            for _ in range(self.ECHOES):
                self.assertEqual(echo(peer, bytes(37)), bytes(37))
            made = traced.calls()[before:]
            names = collections.Counter(name for name, *_ in made)
            print(f"{len(made) / self.ECHOES:.3f} system calls an echo: {dict(names)}", flush=True)
            # a tick of the slow sweep is one more now and then
            self.assertLessEqual(len(made) - names["getsockopt"], 3.01 * self.ECHOES + 20, names)
            self.assertEqual(names["epoll_ctl"], 0)
            self.assertEqual([call for call in made if call[3] == "EAGAIN"], [])

    def test_nothing_but_wait_receive_and_send_with_many_connections(self):
        with Traced() as traced:
            peers = [connect(traced.daemon.tcp) for _ in range(50)]
            for peer in peers:
                echo(peer, b"x")
            before = len(traced.calls())
            for _ in range(40):
                for peer in peers:
                    peer.sendall(b"12345678")
                for peer in peers:
                    self.assertEqual(peer.recv(100), b"12345678")
            made = traced.calls()[before:]
            # TCP_INFO: once a round of the sweep for each connection
            self.assertLessEqual({name for name, *_ in made}, {"epoll_wait", "epoll_pwait", "getsockopt"} | RECEIVE | SEND)
            made = [call for call in made if call[0] != "getsockopt"]
            self.assertLessEqual(len(made), 3.01 * 40 * 50 + 20)
            self.assertEqual([call for call in made if call[3] == "EAGAIN"], [])
            for peer in peers:
                peer.close()

    def test_in_bulk_each_connection_moves_once_a_turn(self):
        """However much one has to say: in no turn does it receive or send twice, or more than a ring."""
        ring = 256 << 10
        with Traced(f"--buffer-size={ring}") as traced, connect(traced.daemon.tcp) as peer:
            data = payload(1 << 24)
            self.assertTrue(converse(peer, data) == data, "other bytes came back")
            turn, most, accepted = collections.Counter(), 0, set()
            for name, first, result, _ in traced.calls():
                if name.startswith("epoll_") and "wait" in name:
                    turn.clear()
                elif name == "accept4":
                    accepted.add(result)
                elif name in RECEIVE | SEND and first in accepted:
                    way = "in" if name in RECEIVE else "out"
                    turn[first, way] += 1
                    most = max(most, int(result))
                    self.assertLessEqual(turn[first, way], 1, (name, first))
            self.assertLessEqual(most, ring)
            self.assertGreater(most, 0)

    def test_writability_is_asked_for_only_while_bytes_wait(self):
        with Traced() as traced, connect(traced.daemon.tcp, receive_buffer=4096) as peer:
            data = payload(1 << 22)
            self.assertTrue(converse(peer, data, finish=False) == data, "other bytes came back")
            echo(peer, b"x")
            before = len(traced.calls())
            for _ in range(100):
                echo(peer, b"x")
            self.assertEqual([call for call in traced.calls()[before:] if call[0] == "epoll_ctl"], [])

    def test_peers_that_are_stuck_cost_nothing(self):
        """Neither with a ring that is full nor without one is a never-reader looked at again and again."""
        # without a ring an echo takes four calls: wait, look, send, take
        for option, calls in (("--buffer-memory=0", 4), ("--buffer-size=4096", 3)):
            with self.subTest(option=option), Traced(option) as traced:
                daemon = traced.daemon
                peers = [connect(daemon.tcp, receive_buffer=2048, send_buffer=8192) for _ in range(5)]
                seen = []

                def stuck():
                    seen.append((sum(fill(peer, 1 << 20) for peer in peers), daemon.stats()["tcp_sent_bytes"]))
                    return len(seen) > 20 and len(set(seen[-20:])) == 1 and seen[-1][0] == 0

                harness.wait_until(stuck, "all to be stuck")
                with connect(daemon.tcp) as healthy:
                    echo(healthy, b"x")
                    before = len(traced.calls())
                    for _ in range(500):
                        echo(healthy, b"x")
                    self.assertLess(len(traced.calls()) - before, (calls + 0.5) * 500)
                for peer in peers:
                    peer.close()

    def test_a_datagram_costs_a_wait_a_receive_and_a_send(self):
        with Traced() as traced, datagram_peer(traced.daemon.udp) as peer:
            ask(peer, b"x")
            before = len(traced.calls())
            for _ in range(500):
                self.assertEqual(ask(peer, b"12345678"), b"12345678")
            made = traced.calls()[before:]
            names = collections.Counter(name for name, *_ in made)
            self.assertLessEqual(len(made), 3.01 * 500 + 20, names)
            self.assertEqual(names["epoll_ctl"], 0)

    def test_accepted_connections_need_no_setsockopt(self):
        """What a connection needs is inherited from the listener."""
        with Traced() as traced:
            before = len(traced.calls())
            for _ in range(20):
                with connect(traced.daemon.tcp) as peer:
                    self.assertEqual(echo(peer, b"x"), b"x")
            names = collections.Counter(name for name, *_ in traced.calls()[before:])
            self.assertEqual((names["setsockopt"], names["fcntl"]), (0, 0), names)
            self.assertEqual(names["accept4"] >= 20, True, names)

    def test_nothing_wakes_an_idle_daemon(self):
        """Once the last connection has gone, it waits as long as libev ever does."""
        with Traced() as traced:
            with connect(traced.daemon.tcp) as peer:
                self.assertEqual(echo(peer, b"x"), b"x")

            def last_wait():
                traced.daemon.stats()  # a wait is written down when it ends
                with open(traced.log, encoding="utf-8", errors="replace") as file:
                    waits = re.findall(r"epoll_p?wait\(.*, (-?\d+)(?:, NULL, \d+)?\) += ", file.read())
                return int(waits[-1]) if waits else 0

            harness.wait_until(lambda: last_wait() >= 10000 or last_wait() == -1, "a long wait")

    def test_a_reload_makes_one_call_a_connection_before_it_says_that_it_is_over(self):
        count = 300
        with Traced() as traced:
            peers = [connect(traced.daemon.tcp) for _ in range(count)]
            for peer in peers:
                echo(peer, b"x")
            before = len(traced.calls())
            reload(traced.daemon)
            for peer in peers:
                with peer:
                    self.assertEqual(echo(peer, b"y"), b"y")
            made = traced.calls()[before:]
            says = max(number for number, call in enumerate(made) if call[0] == "write")  # echoes are sent
            names = collections.Counter(name for name, *_ in made[:says])
            print(f"{names.total()} system calls: {dict(names)}", flush=True)
            self.assertGreaterEqual(names["epoll_ctl"], count)
            self.assertLess(names.total(), 2 * count)

    @staticmethod
    def beside_waits(calls):
        return collections.Counter(name for name, *_ in calls if not name.startswith("epoll_") or name == "epoll_ctl")

    def test_connect_echo_close_in_a_storm(self):
        """accept4, epoll_ctl, receive, send, receive (the end), getsockopt, close; an accept4 in vain now and then."""
        storm = 500
        with Traced() as traced:
            before = len(traced.calls())
            traced.daemon.freeze()
            peers = [connect(traced.daemon.tcp) for _ in range(storm)]
            for peer in peers:
                peer.sendall(b"x")
                peer.shutdown(socket.SHUT_WR)
            traced.daemon.signal(signal.SIGCONT)
            for peer in peers:
                with peer:
                    self.assertEqual(receive_all(peer), b"x")
            made = self.beside_waits(traced.calls()[before:])
            print(f"{made.total() / storm:.3f} system calls: {dict(made)}", flush=True)
            self.assertLessEqual(made.total(), 7.1 * storm, made)

    def test_connect_echo_close_one_a_turn(self):
        """As in a storm: after a single connection, no accept4 looks for another."""
        alone = 500
        with Traced() as traced:
            before = len(traced.calls())
            for _ in range(alone):
                with connect(traced.daemon.tcp) as peer:
                    echo(peer, b"x")
                    peer.shutdown(socket.SHUT_WR)
                    self.assertEqual(receive_all(peer), b"")
            made = self.beside_waits(traced.calls()[before:])
            print(f"{made.total() / alone:.3f} system calls: {dict(made)}", flush=True)
            self.assertLessEqual(made.total(), 7.1 * alone, made)

    def test_at_most_64_accepts_a_turn(self):
        with Traced() as traced:
            traced.daemon.freeze()
            peers = [connect(traced.daemon.tcp) for _ in range(300)]
            traced.daemon.signal(signal.SIGCONT)
            for peer in peers:
                with peer:
                    self.assertEqual(echo(peer, b"x"), b"x")
            accepts, most = 0, 0
            for name, _, result, _ in traced.calls():
                accepts = 0 if "epoll" in name and "wait" in name else accepts + (name == "accept4")
                most = max(most, accepts)
            self.assertLessEqual(most, 64)
            self.assertGreater(most, 1)


if __name__ == "__main__":
    harness.main()
