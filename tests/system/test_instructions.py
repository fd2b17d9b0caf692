# ctest: release unfiltered
"""User instructions an echo, libev and libc included, counted by callgrind. Release only.

The count of 600 rounds less that of 100, over the echoes between: what start and end cost falls out.
"""
import os
import re
import shutil
import signal
import tempfile
import unittest

import harness
from peers import connect, receive

CONNECTIONS = 50
SIZE = 64
MOST = 240


def instructions(rounds):
    """What a daemon executes from its start to its end, with so many echoes on each connection."""
    with tempfile.TemporaryDirectory() as scratch:
        profile = os.path.join(scratch, "profile")
        valgrind = ("valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={profile}")
        with harness.Daemon("--udp=off", wrapper=valgrind) as daemon:
            peers = [connect(daemon.tcp) for _ in range(CONNECTIONS)]
            daemon.wait_stats(lambda now: now["tcp_open"] == CONNECTIONS, "all to be accepted")
            for _ in range(rounds):
                daemon.freeze()  # so that one turn finds all of them ready
                for peer in peers:
                    peer.sendall(bytes(SIZE))
                daemon.signal(signal.SIGCONT)
                for peer in peers:
                    assert receive(peer, SIZE) == bytes(SIZE)
            for peer in peers:
                peer.close()
            daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
        with open(profile, encoding="utf-8") as file:
            return int(re.search(r"^(?:summary|totals): (\d+)", file.read(), re.M).group(1))


class Instructions(unittest.TestCase):
    def test_an_echo(self):
        harness.require(shutil.which("valgrind"), "valgrind is not installed")
        each = (instructions(600) - instructions(100)) / (500 * CONNECTIONS)
        print(f"{each:.1f} instructions an echo", flush=True)
        self.assertLessEqual(each, MOST)
        self.assertGreater(each, 100, "too few to be true")


if __name__ == "__main__":
    harness.main()
