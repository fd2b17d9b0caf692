# ctest: release
"""A core dump holds nothing that peers have sent. Release only: sanitizers leave no cores.

What is left out of a core is what madvise(2) has marked with MADV_DONTDUMP ("dd" in proc(5), smaps).
"""
import os
import re
import resource
import signal
import tempfile
import unittest

import harness
from peers import connect, datagram_peer, echo, receive, send_train

SECRET = b"what-a-peer-said:" + os.urandom(16).hex().encode()
SMALL = ("--buffer-memory=8M", "--max-connections=100")  # less to look through
PIECE = (SECRET + b" ") * 8


def areas(pid):
    """(first address, end, whether it goes into a core) of what the process has mapped."""
    first, end = 0, 0
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line):
                first, end = (int(number, 16) for number in match.groups())
            elif line.startswith("VmFlags:") and end:
                yield first, end, " dd" not in line
                end = 0


def holders(pid):
    """How often the secret is in the process's memory: (where cores come from, elsewhere)."""
    found = [0, 0]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for first, end, dumped in areas(pid):
            if end - first > 1 << 31:
                continue  # no mapping of the daemon's
            try:
                memory.seek(first)
                found[not dumped] += memory.read(end - first).count(SECRET)
            except OSError:  # the kernel's own: vvar
                pass
    return tuple(found)


def dump_core():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)


class Cores(unittest.TestCase):
    """The secret goes every way that a byte can take, and in the end lies in all buffers there are."""

    def confide(self, daemon):
        stuck = connect(daemon.tcp, receive_buffer=2048, send_buffer=8192)  # a ring full of it
        stuck.setblocking(False)
        harness.wait_until(lambda: self.push(daemon, stuck), "a ring to be lent, or none to be had")
        peers = [connect(daemon.tcp) for _ in range(20)]
        self.assertEqual(echo(peers[0], PIECE), PIECE)  # alone: the direct way
        daemon.freeze()  # together: the batch way
        for peer in peers:
            peer.sendall(PIECE)
        daemon.signal(signal.SIGCONT)
        for peer in peers:
            self.assertEqual(receive(peer, len(PIECE)), PIECE)
        asker = datagram_peer(daemon.udp)
        for _ in range(20):
            asker.send(PIECE)
        send_train(asker, PIECE, len(PIECE) // 4)
        for _ in range(20):
            self.assertEqual(asker.recv(1 << 16), PIECE)
        return stuck, *peers, asker

    def push(self, daemon, stuck):
        try:
            while stuck.send(PIECE * 100):
                pass
        except BlockingIOError:
            pass
        numbers = daemon.stats()
        return numbers["rings_lent"] > 0 or numbers["tcp_without_ring"] > 0

    def test_memory_that_peers_fill_is_not_dumped(self):
        for options in (SMALL, ("--buffer-memory=0",),
                        (*SMALL, "--log-connections", "--verbose")):
            with self.subTest(options=options), harness.Daemon(*options) as daemon:
                open_sockets = self.confide(daemon)
                dumped, left_out = holders(daemon.pid)
                print(f"{options}: {left_out} times in memory", flush=True)
                self.assertGreater(left_out, 100)
                self.assertEqual(dumped, 0)
                for peer in open_sockets:
                    peer.close()

    def test_a_core(self):
        """The kernel's own opinion, where it writes cores into the directory of the process."""
        with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
            pattern = file.read().strip()
        if pattern.startswith(("|", "/")):
            self.skipTest("cores go elsewhere: " + pattern)
        for options in (SMALL, ("--buffer-memory=0",)):
            with tempfile.TemporaryDirectory() as directory:
                daemon = harness.Daemon(*options, cwd=directory, preexec_fn=dump_core)
                try:
                    open_sockets = self.confide(daemon)
                    daemon.signal(signal.SIGABRT)
                    self.assertEqual(daemon.wait_exit(), -signal.SIGABRT)
                finally:
                    daemon.kill()
                for peer in open_sockets:
                    peer.close()
                names = os.listdir(directory)
                self.assertEqual(len(names), 1, "a core")
                with open(f"{directory}/{names[0]}", "rb") as file:
                    core = file.read()
                print(f"{options}: a core of {len(core) >> 10} KiB", flush=True)
                self.assertTrue(b"ECHOD_BUILD" in core, "the environment, which is on the stack")
                self.assertFalse(SECRET in core, "what a peer has sent is in the core")


if __name__ == "__main__":
    harness.main()
