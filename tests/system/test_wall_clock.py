# ctest: refused
"""The wall clock jumps ten years ahead and back; no connection is closed early, nothing stands still."""
import mmap
import os
import re
import select
import signal
import socket
import struct
import tempfile
import unittest

import harness
from hostile import Bystanders
from peers import ask, connect, datagram_peer, echo, ending, fill, stall

SHIM = os.environ.get("WALL_CLOCK_SHIM", "")
TEN_YEARS = 3653 * 86400
SERVER, CLIENT = "198.51.100.1", "198.51.100.2"
JUMPS = (TEN_YEARS, -TEN_YEARS, 0)


def setUpModule():
    harness.own_network(f"{SERVER}/32", f"{CLIENT}/32")


class WallClock(unittest.TestCase):
    def setUp(self):
        file = self.enterContext(tempfile.NamedTemporaryFile())
        file.write(bytes(16))
        file.flush()
        self.shared = mmap.mmap(file.fileno(), 16)
        self.environment = {"LD_PRELOAD": SHIM, "WALL_CLOCK": file.name,
                            "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def daemon(self, *options, **more):
        return harness.Daemon(*options, env=dict(self.environment, **more.pop("env", {})), **more)

    def looks(self):
        return struct.unpack_from("Q", self.shared, 8)[0]

    def jump(self, seconds, serve):
        """The daemon has looked at its clock since (libev does now and then), and serves."""
        struct.pack_into("q", self.shared, 0, seconds)
        before = self.looks()

        def noticed():
            serve()
            return self.looks() >= before + 2

        harness.wait_until(noticed, "the daemon to look at the wall clock")

    def test_nobody_is_let_go_early(self):
        options = ("--idle-timeout=1h", "--idle-timeout-full=1h", "--keepalive=1h", "--stall-timeout=500ms",
                   "--drain-timeout=1h", "--log-connections", "--max-connections=20")
        with self.daemon(*options) as daemon:
            idle = connect(daemon.tcp)
            self.assertEqual(echo(idle, b"before"), b"before")
            with Bystanders(daemon.tcp) as bystanders, datagram_peer(daemon.udp) as asker, connect(daemon.tcp) as busy:
                def serve():
                    self.assertEqual(ask(asker, b"datagram"), b"datagram")
                    self.assertEqual(echo(busy, b"stream"), b"stream")

                for number, jump in enumerate(JUMPS):
                    self.jump(jump, serve)
                    # the sweep has gone on: it closed one that took nothing for half a second
                    with connect(daemon.tcp, receive_buffer=4096) as stuck:
                        fill(stuck, 16 << 20)
                        daemon.lines.wait("reason=stalled$", number + 1)
            others = [connect(daemon.tcp) for _ in range(19)]  # the table is full, and none is evicted
            self.assertEqual(echo(idle, b"after"), b"after")
            for peer in others:
                self.assertEqual(echo(peer, b"x"), b"x")
            daemon.signal(signal.SIGTERM)
            daemon.lines.wait("^STOP: ")
            self.jump(TEN_YEARS, lambda: self.assertEqual(echo(idle, b"draining"), b"draining"))
            for peer in (idle, *others):
                peer.close()
            self.assertEqual(daemon.wait_exit(), 0)
            exits = daemon.lines.matching("^EXIT: ")
            self.assertEqual(len(exits), bystanders.opened + 1 + len(JUMPS) + 20)
            for line in exits:
                self.assertLess(float(re.search(r"duration_s=([\d.]+) ", line).group(1)), 3600)

    def test_nothing_stands_still(self):
        """Timeouts, rates and the drain end although the clock has been set back."""
        with self.daemon("--idle-timeout=500ms", "--accept-rate=10", "--drain-timeout=500ms",
                         "--log-connections") as daemon:
            def newcomers():
                for _ in range(20):
                    with connect(daemon.tcp) as newcomer:
                        self.assertEqual(echo(newcomer, b"x"), b"x")

            newcomers()
            with connect(daemon.tcp) as idle:
                self.jump(-TEN_YEARS, daemon.stats)
                self.assertEqual(ending(idle), "fin")
            newcomers()
            with connect(daemon.tcp, receive_buffer=4096) as stuck:
                stall(daemon, stuck)
                self.jump(-2 * TEN_YEARS, daemon.stats)
                daemon.signal(signal.SIGTERM)
                self.assertEqual(daemon.wait_exit(), 0)
                self.assertEqual(ending(stuck), "reset")

    def test_tokens_come_back(self):
        with self.daemon("--udp-rate=50") as daemon, socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.bind((CLIENT, 0))  # loopback addresses have no limit
            peer.connect((SERVER, daemon.udp))
            for jump in (-TEN_YEARS, TEN_YEARS):
                refused = daemon.stats()["udp_refused_rate"]
                while daemon.stats()["udp_refused_rate"] == refused:
                    for _ in range(20):
                        peer.send(b"spend")
                self.jump(jump, daemon.stats)
                answered = daemon.stats()["udp_answered"]

                def more():
                    peer.send(b"again")
                    return daemon.stats()["udp_answered"] > answered

                harness.wait_until(more, "tokens")

    def test_the_watchdog_goes_on(self):
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(directory + "/notify")
            manager.settimeout(harness.DEADLINE)
            with self.daemon(env={"NOTIFY_SOCKET": directory + "/notify", "WATCHDOG_USEC": "200000"}) as daemon:
                for jump in (TEN_YEARS, -TEN_YEARS):
                    self.jump(jump, daemon.stats)
                    while select.select([manager], [], [], 0)[0]:  # what was told before
                        manager.recv(1000)
                    beats = 0
                    while beats < 3:
                        beats += b"WATCHDOG=1" in manager.recv(1000)


if __name__ == "__main__":
    harness.main()
