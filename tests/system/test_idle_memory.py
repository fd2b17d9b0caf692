# ctest: release
"""19,000 connections at once, and what an idle one costs. Release only: sanitizers cost memory."""
import unittest

import harness
import proc
from peers import connect

HELD = 19000
MOST = 128  # bytes a connection


class IdleMemory(unittest.TestCase):
    def test_an_idle_connection_costs_at_most_128_bytes(self):
        harness.require_files(HELD + 100)
        with harness.Daemon("--max-connections=1") as daemon:
            empty = proc.resident(daemon.pid)
        with harness.Daemon(f"--max-connections={HELD}") as daemon:
            peers = []
            try:
                for number in range(HELD):
                    # several addresses, because one has too few ports
                    peers.append(connect(daemon.tcp, f"127.0.0.{1 + number % 4}"))
                daemon.wait_stats(lambda now: now["tcp_open"] == HELD, "all to be accepted")
                each = [(proc.resident(daemon.pid) - empty) / HELD]
                for peer in peers:
                    peer.sendall(b"x")
                for peer in peers:
                    self.assertEqual(peer.recv(10), b"x")
                # what was lent for the echo may take a while to be given back
                harness.wait_until(
                    lambda: (proc.resident(daemon.pid) - empty) / HELD <= MOST or None,
                    f"{MOST} bytes a connection after an echo; "
                    f"before: {each[0]:.1f}, now: {(proc.resident(daemon.pid) - empty) / HELD:.1f}")
                each.append((proc.resident(daemon.pid) - empty) / HELD)
                print("bytes a connection before and after an echo: %.1f, %.1f" % tuple(each), flush=True)
                self.assertLessEqual(each[0], MOST)
            finally:
                for peer in peers:
                    peer.close()
            daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")


if __name__ == "__main__":
    harness.main()
