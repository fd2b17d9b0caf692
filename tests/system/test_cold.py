# ctest: release
"""What was needed once is given back. Release only: sanitizers keep memory."""
import unittest

import harness
import proc
from peers import connect, fill

RING = 256 << 10
CROWD = 64


class Cold(unittest.TestCase):
    def test_memory_of_rings_goes_back_to_the_system_after_a_burst(self):
        with harness.Daemon(f"--buffer-size={RING}") as daemon:
            with connect(daemon.tcp) as peer:
                fill(peer, 1)
            empty = proc.resident(daemon.pid)
            peers = []
            try:
                for _ in range(CROWD):
                    peers.append(connect(daemon.tcp, receive_buffer=2048))

                def lent():
                    for peer in peers:
                        fill(peer, RING * 2)
                    return proc.resident(daemon.pid) - empty > CROWD * RING // 2

                harness.wait_until(lent, "rings to be filled")
            finally:
                for peer in peers:
                    peer.close()
            daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
            # one ring stays at hand, and the sweep goes on although nothing is open
            harness.wait_until(lambda: proc.resident(daemon.pid) - empty < 4 * RING, "memory to be given back")


if __name__ == "__main__":
    harness.main()
